"""The second save of a form that two operators opened is refused."""

import re

import pytest
from django.contrib.admin.utils import quote
from django.utils import timezone

from accounts.models import User
from earnings.models import EarningsRules
from feedback.models import ProblemCategory
from integrations.models import SensitiveWord
from tests.support.admin_forms import filled_in
from tests.support.admin_pages import PAGES, Operator
from tests.support.admin_rows import make_rows

pytestmark = pytest.mark.django_db
RULES = "earnings/earningsrules/1/change/"


@pytest.fixture
def ann() -> Operator:
    return Operator(username="ann")


@pytest.fixture
def bob() -> Operator:
    return Operator(username="bob")


def refusal(page: str) -> str:
    return "".join(re.findall("已被 (.+?) 于 .+? 修改，请重新打开", page)[:1])


def test_the_second_save_of_a_word_is_refused_with_the_name_of_the_first_operator(ann, bob):
    text = SensitiveWord.objects.create(word="优惠券")
    where = f"integrations/sensitiveword/{text.pk}/change/"
    of_ann, of_bob = ann.opens(where), bob.opens(where)
    ann.saves(where, of_ann, word="代金券")
    page = bob.saves(where, of_bob, word="打折券")
    assert f"已被 ann 于 {timezone.localtime():%H:}" in page
    assert SensitiveWord.objects.get().word == "代金券"


def test_reopening_the_form_allows_saving(ann, bob):
    text = SensitiveWord.objects.create(word="优惠券")
    where = f"integrations/sensitiveword/{text.pk}/change/"
    ann.saves(where, ann.opens(where), word="代金券")
    assert refusal(bob.saves(where, bob.opens(where), word="打折券")) == ""
    assert SensitiveWord.objects.get().word == "打折券"


def test_a_form_that_came_back_with_an_error_is_still_stale(ann, bob):
    text = SensitiveWord.objects.create(word="优惠券")
    where = f"integrations/sensitiveword/{text.pk}/change/"
    form = bob.opens(where)
    ann.saves(where, ann.opens(where), word="代金券")
    again = filled_in(bob.saves(where, form, word=""), "sensitiveword_form")
    assert refusal(bob.saves(where, again, word="打折券")) == "ann"


def test_roles_given_by_another_operator_are_not_removed(ann, bob):
    clerk = Operator("viewer").user
    where = f"accounts/operator/{clerk.pk}/change/"
    form, stale = ann.opens(where), bob.opens(where)
    ann.saves(where, form, groups=[])
    assert refusal(bob.saves(where, stale, is_active="")) == "ann"
    clerk.refresh_from_db()
    assert (clerk.is_active, clerk.groups.count()) == (True, 0)


def test_signing_in_meanwhile_is_no_change_of_an_operator(ann):
    clerk = Operator("viewer").user
    where = f"accounts/operator/{clerk.pk}/change/"
    form = ann.opens(where)
    User.objects.filter(pk=clerk.pk).update(last_login=timezone.now())
    assert refusal(ann.saves(where, form, groups=[])) == ""
    assert clerk.groups.count() == 0


def test_a_change_by_a_command_is_noticed_without_a_name(ann):
    text = SensitiveWord.objects.create(word="优惠券")
    where = f"integrations/sensitiveword/{text.pk}/change/"
    form = ann.opens(where)
    SensitiveWord.objects.update(word="代金券")
    assert "内容已被修改，请重新打开" in ann.saves(where, form, word="打折券")


def test_a_list_edited_in_place_is_saved_by_the_first_only(ann, bob):
    where = "feedback/problemcategory/"
    of_ann, of_bob = (filled_in(one.page(where), "changelist-form") for one in (ann, bob))
    ann.saves(where, of_ann, **{"_save": "保存", "form-0-seq_no": "77"})
    page = bob.saves(where, of_bob, **{"_save": "保存", "form-1-seq_no": "88"})
    assert refusal(page) == "ann"
    assert set(ProblemCategory.objects.values_list("seq_no", flat=True)) & {77, 88} == {77}


def editable(where: str) -> bool:
    root = Operator()
    request = root.http.get("/admin/password_change/").wsgi_request
    return bool(PAGES[where].has_change_permission(request))


def test_every_page_that_saves_refuses_a_stale_form(ann):
    make_rows(1)
    pages = [where for where in PAGES if editable(where)]
    assert len(pages) >= 5
    for where in pages:
        request = ann.http.get("/admin/password_change/").wsgi_request
        row = next(
            row for row in PAGES[where].get_queryset(request) if PAGES[where].has_change_permission(request, row)
        )
        form = ann.opens(address := f"{where}/{quote(row.pk)}/change/")
        assert form["opened_version"] != [""], where
        page = ann.saves(address, form, opened_version="of another day")
        assert "修改，请重新打开" in page, where


def test_every_list_edited_in_place_refuses_a_stale_form(ann):
    pages = [where for where in PAGES if PAGES[where].list_editable]
    assert pages
    for where in pages:
        form = filled_in(ann.page(f"{where}/"), "changelist-form")
        stale = {**form, "_save": "保存", "form-opened_version": "of another day"}
        assert "修改，请重新打开" in ann.saves(f"{where}/", stale), where


def test_rules_saved_by_another_stay(ann, bob):
    of_ann, of_bob = ann.opens(RULES), bob.opens(RULES)
    ann.confirms(RULES, ann.saves(RULES, of_ann, second_approval_above="300"))
    assert refusal(bob.saves(RULES, of_bob, second_approval_above="500")) == "ann"
    assert EarningsRules.current().second_approval_above == 300


def test_a_stale_form_that_changes_another_field_is_refused_too(ann, bob):
    of_ann, of_bob = ann.opens(RULES), bob.opens(RULES)
    ann.confirms(RULES, ann.saves(RULES, of_ann, red_packet_max="0.90"))
    bob.saves(RULES, of_bob, adoption_fee="0.02")
    rules = EarningsRules.current()
    assert (str(rules.red_packet_max), str(rules.adoption_fee)) == ("0.90", "0.01")
