"""Chinese unless switched; English when switched."""

import re
from pathlib import Path

import polib
import pytest

from tests.backoffice.pages import Operator
from tests.backoffice.rows import make_rows

pytestmark = pytest.mark.django_db
WORDS = Path(__file__).resolve().parents[2] / "config/locale/en/LC_MESSAGES/django.po"


def switched() -> Operator:
    operator = Operator()
    operator.http.post("/admin/language/", {"language": "en", "next": "/admin/"})
    return operator


def test_the_browsers_language_is_not_asked():
    operator = Operator()
    assert "待处理" in operator.http.get("/admin/", headers={"Accept-Language": "en"}).text


@pytest.mark.parametrize(
    "where", ["", "earnings/withdrawal/", "accounts/user/", "groups/group/", "robots/outboxmessage/"]
)
def test_no_chinese_label_is_left_in_english(where: str):
    page = switched().page(where)
    assert set(re.findall("[\u4e00-\u9fff]+", page)) == {"中文"}


def test_what_rows_hold_stays_as_it_is():
    make_rows(1)
    assert "用户" in switched().page("accounts/user/")


def test_an_action_answers_in_english():
    make_rows(1)
    assert "Select Sensitive words to change" in switched().page("integrations/sensitiveword/")


def test_the_api_answers_in_its_own_words_whatever_the_cookie_says():
    operator = switched()
    told = operator.http.get("/s/nothing-here").json()
    assert re.search("[\u4e00-\u9fff]", told["description"])


def test_the_compiled_words_are_those_of_the_source(tmp_path: Path):
    compiled = tmp_path / "django.mo"
    polib.pofile(str(WORDS)).save_as_mofile(str(compiled))
    assert compiled.read_bytes() == WORDS.with_suffix(".mo").read_bytes(), "run 'make words'"
