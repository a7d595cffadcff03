"""Identity cards (`PUT /user/idcard`): validated, encrypted, masked, never logged."""

import logging

import pytest

from accounts import identity
from tests.factories.people import UserFactory
from tests.support.identity_cards import REAL, enter_card

pytestmark = pytest.mark.django_db


def test_a_card_is_kept_encrypted_and_shown_masked(alice):
    assert enter_card(alice)["code"] == 1200
    alice.refresh_from_db()
    sealed = bytes(alice.identity_sealed)
    assert REAL.encode() not in sealed
    assert "王小明".encode() not in sealed
    assert identity.masked_card(alice) == "王** 110105**********2X"


def test_a_small_x_is_an_x(alice):
    assert enter_card(alice, REAL.lower())["code"] == 1200


@pytest.mark.parametrize(
    "id_number",
    [
        "110105194912310021",  # check digit
        "990105194912310029",  # no such region
        "11010519490231002X",  # 31 February
        "110105299912310021",  # born in the future
        "11010519491231002",  # 17 digits
        "110105491231002",  # of the first generation
        "１１０１０５19491231002X",  # full-width digits
        "x" * 18,
    ],
)
def test_an_invalid_card_is_1403_and_not_stored(alice, id_number: str):
    answer = enter_card(alice, id_number)
    assert answer["code"] == 1403
    assert "id_number" in answer["description"]
    alice.refresh_from_db()
    assert alice.identity_sealed is None


@pytest.mark.parametrize("name", ["王", "Wang", "王 明", "王" * 31, "王1"])
def test_a_name_with_other_than_chinese_characters_is_1403(alice, name: str):
    answer = enter_card(alice, name=name)
    assert answer["code"] == 1403
    assert "name" in answer["description"]


_DOTS = "·•．・･‧․⋅∙"


@pytest.mark.parametrize("name", [*(f"阿凡提{dot}艾山" for dot in _DOTS), "买买提·艾力・江", "李〇", "𠮷·野"])
def test_every_dot_in_use_is_accepted_in_a_name(alice, name: str):
    assert enter_card(alice, name=name)["code"] == 1200
    alice.refresh_from_db()
    assert identity.card_of(alice)["name"] == name.translate(str.maketrans(dict.fromkeys(_DOTS, "·")))


@pytest.mark.parametrize(
    "name",
    ["买买提·", "·买", "买··提", "·", "••", "买·1", "买-提", "王\n明", "王明\n", "买" * 15 + "·" + "买" * 15],
)
def test_a_dot_elsewhere_than_between_characters_is_refused_with_the_rule(alice, name: str):
    answer = enter_card(alice, name=f"{name}x" if name.endswith("\n") else name)
    assert answer["code"] == 1403
    assert "间隔点“·”只能在汉字之间" in answer["description"]


def test_a_card_of_the_first_generation_has_its_own_message():
    answer = enter_card(UserFactory(), "110105491231002")
    assert (answer["code"], answer["description"]) == (
        1403,
        "一代身份证（15 位）已停用，请填写 18 位身份证号码（id_number）",
    )


def test_a_correction_replaces_the_card(alice):
    enter_card(alice)
    enter_card(alice, name="李大明")
    alice.refresh_from_db()
    assert identity.masked_card(alice).startswith("李**")


def test_neither_card_nor_name_is_logged_or_answered(alice, caplog):
    with caplog.at_level(logging.DEBUG):
        answers = str(enter_card(alice)) + str(enter_card(alice, "110105194912310021"))
    assert "1949" not in caplog.text + answers
    assert "王小明" not in caplog.text + answers
