"""Invitation posters: a picture whose code leads to the scan page in the user's name."""

from io import BytesIO

import pytest
import segno
from PIL import Image

from accounts.posters import _BELOW_QR, KINDS, _font
from accounts.referral import invite_link_of
from tests.api import ApiClient
from tests.factories.people import UserFactory

pytestmark = pytest.mark.django_db
QR_LEFT, QR_TOP, QR_SIDE = 175, 520, 400


def poster(user, **query) -> Image.Image:
    client = ApiClient(user)
    response = client.http.get(f"/user/{user.pk}/poster", query, headers=client.headers)
    assert response["Content-Type"] == "image/png"
    return Image.open(BytesIO(response.content)).convert("L")


def code_of(picture: Image.Image, size: int) -> list[list[bool]]:
    """The dark and light modules of the code on a poster, read at the middle of each."""
    scale = QR_SIDE // size
    first = (QR_SIDE - scale * size) // 2 + scale // 2
    places = [first + scale * number for number in range(size)]
    return [[picture.getpixel((QR_LEFT + x, QR_TOP + y)) < 128 for x in places] for y in places]


@pytest.mark.parametrize("kind", KINDS)
def test_the_code_leads_to_the_users_invite_link(kind: str):
    alice = UserFactory()
    wanted = segno.make(invite_link_of(alice), error="m", micro=False)
    size = wanted.symbol_size(border=0)[0]
    read = code_of(poster(alice, type=kind), size)
    assert read == [[bool(module) for module in row] for row in wanted.matrix]


def test_the_invite_link_names_the_sharer(settings):
    alice = UserFactory(channel="north")
    slug = invite_link_of(alice).rsplit("/s/", 1)[1]
    location = ApiClient().http.get(f"/s/{slug}")["Location"]
    assert location == f"{settings.CLIENT_BASE_URL}/adopt?sharing_user_id={alice.pk}&channel=north"


def test_each_kind_looks_different():
    alice = UserFactory()
    assert len({poster(alice, type=kind).tobytes() for kind in KINDS}) == 3


def test_without_a_kind_it_is_the_default():
    alice = UserFactory()
    assert poster(alice).tobytes() == poster(alice, type="default").tobytes() == poster(alice, type="").tobytes()


def test_the_browser_keeps_it_for_a_day():
    alice = UserFactory()
    client = ApiClient(alice)
    response = client.http.get(f"/user/{alice.code}/poster", headers=client.headers)
    assert response["Cache-Control"] == "private, max-age=86400"


def test_the_font_has_every_character_of_the_words():
    missing = bytes(_font(40).getmask("\uffff"))
    words = (
        _BELOW_QR + "★" + "".join(line for *_, headline, second in KINDS.values() for line in (headline, second))
    )
    assert [letter for letter in words if bytes(_font(40).getmask(letter)) == missing] == []
