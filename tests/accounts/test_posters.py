"""Invitation posters: a picture whose QR code leads to the scan page with the user as inviter."""

from io import BytesIO
from typing import Any
from uuid import uuid4

import pytest
import segno
from django.test import Client
from django.utils import timezone
from PIL import Image

from accounts.models import User
from accounts.posters import _BELOW_QR, KINDS, _font
from accounts.referral import invite_link_of
from tests.factories.people import OperatorFactory, UserFactory
from tests.support.client import ApiClient

pytestmark = pytest.mark.django_db
QR_LEFT, QR_TOP, QR_SIDE = 175, 520, 400


def fetch(user_id: Any, *, method: str = "get", headers: dict[str, str] | None = None, **query: str) -> Any:
    """Return the response to an <img>, which sends no token."""
    return getattr(Client(), method)(f"/user/{user_id}/poster", query, headers=headers)


def poster(user: User, **query: str) -> Image.Image:
    response = fetch(user.pk, **query)
    assert (response.status_code, response["Content-Type"]) == (200, "image/png")
    return Image.open(BytesIO(response.content)).convert("L")


def code_of(picture: Image.Image, size: int) -> list[list[bool]]:
    """Return the dark and light modules of the QR code on a poster, read at the center of each."""
    scale = QR_SIDE // size
    first = (QR_SIDE - scale * size) // 2 + scale // 2
    centers = [first + scale * number for number in range(size)]
    return [[picture.getpixel((QR_LEFT + x, QR_TOP + y)) < 128 for x in centers] for y in centers]


@pytest.mark.parametrize("kind", KINDS)
def test_the_code_leads_to_the_users_invite_link(kind: str):
    alice = UserFactory()
    expected = segno.make(invite_link_of(alice), error="m", micro=False)
    size = expected.symbol_size(border=0)[0]
    actual = code_of(poster(alice, type=kind), size)
    assert actual == [[bool(module) for module in row] for row in expected.matrix]


def test_the_invite_link_contains_the_inviter(settings):
    alice = UserFactory(channel="north")
    slug = invite_link_of(alice).rsplit("/s/", 1)[1]
    location = ApiClient().http.get(f"/s/{slug}")["Location"]
    assert location == f"{settings.CLIENT_BASE_URL}/adopt?sharing_user_id={alice.pk}&channel=north"


def test_each_kind_looks_different():
    alice = UserFactory()
    assert len({poster(alice, type=kind).tobytes() for kind in KINDS}) == 3


def test_without_a_kind_the_poster_is_the_default():
    alice = UserFactory()
    assert poster(alice).tobytes() == poster(alice, type="default").tobytes() == poster(alice, type="").tobytes()


def test_an_unknown_kind_is_the_default():
    alice = UserFactory()
    assert poster(alice, type="sixstar").tobytes() == poster(alice).tobytes()


@pytest.mark.parametrize("header", ["Bearer null", "Bearer a.b.c", "Basic eDp5"])
def test_a_token_makes_no_difference(header: str):
    alice = UserFactory()
    with_token = fetch(alice.pk, headers={"Authorization": header})
    assert (with_token.status_code, with_token.content) == (200, fetch(alice.pk).content)


def test_proxies_and_browsers_may_cache_a_poster_for_a_day():
    response = fetch(UserFactory().pk)
    assert response["Cache-Control"] == "public, max-age=86400"
    assert not {"Set-Cookie", "Vary"} & set(response.headers)


@pytest.mark.parametrize("method", ["get", "head"])
def test_a_current_copy_is_answered_with_304(method: str):
    alice = UserFactory()
    etag = fetch(alice.pk)["ETag"]
    again = fetch(alice.pk, method=method, headers={"If-None-Match": etag})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", etag)
    assert again["Cache-Control"] == "public, max-age=86400"
    assert fetch(alice.pk, type="fivestar", headers={"If-None-Match": etag}).status_code == 200


def test_head_has_the_headers_without_the_content():
    alice = UserFactory()
    response = fetch(alice.pk, method="head")
    assert (response.status_code, response["Content-Type"], response.content) == (200, "image/png", b"")


def references_without_poster() -> dict[str, Any]:
    """Return {reason: reference} of users without a poster."""
    return {
        "unknown": uuid4(),
        "no id": "null",
        "not completed": UserFactory(completed_at=None, union_id=None).pk,
        "an operator": OperatorFactory(completed_at=timezone.now(), union_id="union-operator").pk,
        "erased": UserFactory(is_active=False).pk,
        "by code": UserFactory(code="wx-alice").code,
    }


@pytest.mark.parametrize("who", ["unknown", "no id", "not completed", "an operator", "erased", "by code"])
def test_without_a_poster_the_answer_is_a_404_with_a_placeholder_picture(who: str):
    response = fetch(references_without_poster()[who])
    assert (response.status_code, response["Content-Type"]) == (404, "image/png")
    assert Image.open(BytesIO(response.content)).size == (75, 120)
    assert response["Cache-Control"] == "no-cache"


def test_posters_are_throttled_per_address(settings: Any):
    settings.THROTTLE_RATES = settings.THROTTLE_RATES | {"poster": "1/60"}
    alice, bob = UserFactory(), UserFactory()
    assert [fetch(user.pk).status_code for user in (alice, bob)] == [200, 429]


def test_the_font_has_every_character_of_the_texts():
    missing = bytes(_font(40).getmask("\uffff"))
    texts = (
        _BELOW_QR + "★" + "".join(line for *_, headline, second in KINDS.values() for line in (headline, second))
    )
    assert [character for character in texts if bytes(_font(40).getmask(character)) == missing] == []
