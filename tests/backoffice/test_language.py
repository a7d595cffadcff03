"""The admin is in Chinese, or in English after switching."""

import re
from pathlib import Path

import polib
import pytest

from accounts.models import User
from groups.models import CancelReason, Group
from robots.models import OutboxMessage
from tests.factories.launches import TEXT_ITEM, launched
from tests.factories.people import GroupFactory
from tests.support.admin_pages import PAGES, Operator
from tests.support.admin_rows import make_rows
from tests.support.paths import PROJECT

pytestmark = pytest.mark.django_db
LOCALE = PROJECT / "config/locale"


def switched() -> Operator:
    operator = Operator()
    operator.http.post("/admin/language/", {"language": "en", "next": "/admin/"})
    return operator


def test_the_browsers_language_is_not_asked():
    operator = Operator()
    assert "待处理" in operator.http.get("/admin/", headers={"Accept-Language": "en"}).text


HOLDING_CHINESE = {"feedback/problem", "feedback/problemcategory"}  # categories, created by a migration
FORMS = ("config/apikey/add/", "config/sitestatus/add/", "groups/starplan/add/")


def chinese(page: str) -> set[str]:
    return set(re.findall("[\u4e00-\u9fff]+", page)) - {"中文"}


def test_no_chinese_label_is_left_in_english():
    operator = switched()
    lists = [f"{where}/" for where in PAGES if where not in HOLDING_CHINESE]
    assert {where: chinese(operator.page(where)) for where in ("", *FORMS, *lists)} == {
        where: set() for where in ("", *FORMS, *lists)
    }


def test_a_confirmation_asks_in_english():
    launch, operator = launched(GroupFactory(name="g"), items=[TEXT_ITEM | {"content": "hello"}]), switched()
    Group.objects.update(name="g")
    User.objects.update(nickname="u")
    for where, row in (("groups/group", Group.objects.get()), ("launches/launch", launch)):
        assert chinese(operator.act(where, "cancel", row, confirmed=False)) == set()


def test_a_plan_is_tried_in_english():
    plan = {"star": 1, "income_days": 30, "daily_profit": "1", "activity_bonus": "0", "valid_from": "2100-01-01"}
    tried = switched().http.post("/admin/groups/starplan/add/", plan).text
    assert "Total" in tried
    assert chinese(tried) == set()


def test_a_violated_constraint_is_explained():
    form = {"status": 2, "upgrade_end": ""}
    assert "请填写维护结束时间" in Operator().http.post("/admin/config/sitestatus/add/", form).text
    assert "say until when" in switched().http.post("/admin/config/sitestatus/add/", form).text


def test_contents_of_rows_are_not_translated():
    make_rows(1)
    assert "用户" in switched().page("accounts/user/")


def test_an_action_answers_in_english():
    make_rows(1)
    assert "Delete selected Sensitive words" in switched().page("integrations/sensitiveword/")


def test_the_api_answers_in_chinese_whatever_the_cookie_is():
    operator = switched()
    assert operator.http.get("/s/nothing-here").json()["description"] == "短链不存在"
    answer = operator.http.post("/withdraw/review", {"status": 1}, content_type="application/json").json()
    assert answer["description"] == "缺少必填项（withdraw_id）"


@pytest.mark.parametrize("language", ["en", "zh_Hans"])
def test_the_compiled_translations_match_their_source(tmp_path: Path, language: str):
    source, compiled = LOCALE / language / "LC_MESSAGES/django.po", tmp_path / "django.mo"
    polib.pofile(str(source)).save_as_mofile(str(compiled))
    assert compiled.read_bytes() == source.with_suffix(".mo").read_bytes(), "run 'make words'"


def test_what_an_operator_stores_in_english_is_chinese():
    group = GroupFactory(name="g")
    switched().act("groups/group", "cancel", group, reason=CancelReason.OPERATOR)
    unbinding = OutboxMessage.objects.get(operation=OutboxMessage.Operation.UNBIND_GROUP)
    assert unbinding.content["reason"] == "系统注销"
