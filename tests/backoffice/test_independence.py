"""Two approvals need two people: operators with access to each other's account count as one."""

from datetime import timedelta
from io import StringIO

import pytest
import time_machine
from django.contrib.auth.models import Group as Role
from django.core.management import call_command
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import ErasureRequest, OperatorChange, User
from config.models import ApiKey
from earnings.models import Payout, RuleChange, Withdrawal
from groups.models import StarPlan
from tests.factories.money import credit, requested_withdrawal, withdrawal_of_new_user
from tests.factories.people import UserFactory
from tests.support.admin_pages import Operator
from tests.support.admin_sign_in import OTHER_PASSWORD, PASSWORD, password_form
from tests.support.client import ApiClient

pytestmark = pytest.mark.django_db
WHY = "不能共同审批，请由其他运营人员通过"


@pytest.fixture
def chief() -> Operator:
    return Operator(username="chief")


@pytest.fixture
def large() -> Withdrawal:
    return withdrawal_of_new_user("500", phone="13800138000")


def approves(operator: Operator, withdrawal: Withdrawal) -> str:
    return operator.act("earnings/withdrawal", "approve", withdrawal)


def confirmed(by: Operator | None = None) -> None:
    """Confirm the proposed change, by this operator or by any other."""
    (by or Operator()).act("accounts/operatorchange", "confirm", OperatorChange.objects.get(status=0))


def sets_password(chief: Operator, other: Operator, by: Operator | None = None) -> None:
    chief.http.post(f"/admin/accounts/operator/{other.user.pk}/password/", password_form())
    confirmed(by)
    other.http.force_login(User.objects.get(pk=other.user.pk))


def resets_second_factor(chief: Operator, other: Operator, by: Operator | None = None) -> None:
    TOTPDevice.objects.create(user=other.user, confirmed=True)
    chief.act("accounts/operator", "reset_second_factor", other.user)
    confirmed(by)
    other.http.force_login(other.user)


def has_paid(withdrawal: Withdrawal) -> bool:
    return Payout.objects.filter(withdrawal=withdrawal).exists()


@pytest.mark.parametrize("gets_access", [sets_password, resets_second_factor])
@pytest.mark.parametrize("chief_is_first", [True, False])
def test_an_operator_with_access_to_the_other_account_is_not_a_second_approver(
    chief, large, gets_access, chief_is_first
):
    ann = Operator(username="ann")
    gets_access(chief, ann)
    first, second = (chief, ann) if chief_is_first else (ann, chief)
    approves(first, large)
    page = approves(second, large)
    assert f"1 条由 {first.user.username} 初审：你们中的一方在 30 天内" in page
    assert WHY in page
    assert not has_paid(large)
    assert "已通过 1 条" in approves(Operator(), large)


def test_the_maker_of_an_operator_is_not_a_second_approver(chief, large):
    form = {"username": "puppet", **password_form(), "groups": [Role.objects.get(name="finance").pk]}
    chief.http.post("/admin/accounts/operator/add/", form)
    confirmed()
    puppet = Operator("finance", username="other")
    puppet.http.force_login(User.objects.get(username="puppet"))
    approves(chief, large)
    assert WHY in approves(puppet, large)
    assert not has_paid(large)


@pytest.mark.parametrize("gets_access", [sets_password, resets_second_factor])
def test_the_confirmer_of_an_account_is_not_a_second_approver_either(chief, large, gets_access):
    ann = Operator(username="ann")
    gets_access(Operator(), ann, by=chief)
    approves(chief, large)
    assert WHY in approves(ann, large)


def test_an_operator_who_moved_no_money_then_is_bound_as_well(chief, large):
    ann = Operator("support", username="ann")
    chief.http.post(f"/admin/accounts/operator/{ann.user.pk}/password/", password_form())
    ann.user.groups.add(Role.objects.get(name="finance"))
    ann.http.force_login(User.objects.get(pk=ann.user.pk))
    approves(chief, large)
    assert WHY in approves(ann, large)


@pytest.mark.parametrize(("days", "pays"), [(29, False), (31, True)])
def test_it_lasts_for_thirty_days(chief, large, days, pays):
    ann = Operator(username="ann")
    sets_password(chief, ann)
    approves(chief, large)
    with time_machine.travel(timezone.now() + timedelta(days=days), tick=True):
        ann.http.force_login(User.objects.get(pk=ann.user.pk))
        approves(ann, large)
    assert has_paid(large) == pays


def test_changing_the_own_password_makes_nobody_dependent(chief, large):
    ann = Operator(username="ann")
    ann.user.set_password(PASSWORD)
    ann.user.save()
    ann.http.force_login(ann.user)
    form = {"old_password": PASSWORD, "new_password1": OTHER_PASSWORD, "new_password2": OTHER_PASSWORD}
    assert ann.http.post("/admin/password_change/", form).status_code == 302
    approves(ann, large)
    assert "已通过 1 条" in approves(chief, large)


def test_the_others_of_the_same_choice_are_approved(chief, large):
    ann = Operator(username="ann")
    sets_password(chief, ann)
    approves(chief, large)
    user = UserFactory(phone="13800138001")
    credit(user, "20")
    assert "已通过 1 条" in ann.act("earnings/withdrawal", "approve", large, requested_withdrawal(user))


def test_the_old_clients_review_skips_it_with_the_reason(chief, large):
    ann = Operator("finance", username="ann")
    sets_password(chief, ann)
    approves(chief, large)
    body = {"withdraw_id": [str(large.pk)], "status": 1}
    answer = ann.http.post("/withdraw/review", body, content_type="application/json").json()
    assert answer["code"] == 1409
    assert answer["data"]["skipped"][0]["reason"].startswith("由 chief 初审：你们中的一方在 30 天内")
    assert not has_paid(large)


def test_either_may_still_reject(chief, large):
    ann = Operator(username="ann")
    sets_password(chief, ann)
    approves(chief, large)
    assert "已拒绝 1 条" in ann.act("earnings/withdrawal", "reject", large, reason="资料不符")


def makes_key(chief: Operator, name: str) -> ApiClient:
    page = chief.saves("config/apikey/add/", {"name": name, "scopes": ["withdrawals:review"]})
    Operator().act("config/apikey", "confirm", ApiKey.objects.get(name=name))
    return ApiClient(key=page.split("请立即保存）：")[1].split("<")[0].strip())


def key_approves(key: ApiClient, withdrawal: Withdrawal) -> str:
    return str(key.post("/withdraw/review", {"withdraw_id": [str(withdrawal.pk)], "status": 1}))


@pytest.mark.parametrize("name", ["console", "k" * 80])
@pytest.mark.parametrize("days", [0, 400])
def test_the_maker_of_a_key_is_not_a_second_approver_beside_it(chief, large, name, days):
    key = makes_key(chief, name)
    with time_machine.travel(timezone.now() + timedelta(days=days), tick=True):
        key_approves(key, large)
        chief.http.force_login(chief.user)
        assert WHY in approves(chief, large)
    assert not has_paid(large)


def test_two_keys_of_one_maker_are_one_person(chief, large):
    key_approves(makes_key(chief, "one"), large)
    assert WHY in key_approves(makes_key(chief, "two"), large)
    assert not has_paid(large)


def test_a_key_is_no_second_person_beside_an_operator_whom_its_maker_can_be(chief, large):
    ann = Operator(username="ann")
    sets_password(chief, ann)
    key_approves(makes_key(chief, "one"), large)
    assert WHY in approves(ann, large)
    assert not has_paid(large)


def test_two_keys_of_the_command_line_are_two_people(large):
    keys = []
    for name in ("one", "two"):
        printed = StringIO()
        call_command("create_api_key", name, "--scope=withdrawals:review", stdout=printed)
        keys.append(ApiClient(key=printed.getvalue().strip()))
    key_approves(keys[0], large)
    key_approves(keys[1], large)
    assert has_paid(large)


def test_an_operator_called_as_the_command_line_is_no_second_person_beside_their_key(large):
    chief = Operator(username="命令行")
    key_approves(makes_key(chief, "one"), large)
    assert WHY in approves(chief, large)
    assert not has_paid(large)


def test_somebody_elses_key_is_a_second_person(chief, large):
    key_approves(makes_key(Operator(), "one"), large)
    assert "已通过 1 条" in approves(chief, large)


def test_a_change_of_what_is_paid_is_confirmed_by_somebody_independent(chief):
    ann = Operator(username="ann")
    sets_password(chief, ann)
    change = RuleChange.objects.create(
        target=RuleChange.Target.PLAN,
        values={
            "star": "5",
            "income_days": "30",
            "daily_profit": "9.00",
            "activity_bonus": "0.00",
            "valid_from": str(timezone.localdate() + timedelta(days=3)),
            "valid_to": None,
        },
        effect=500,
        needs_second=True,
        asked_at=timezone.now(),
        asked_by="chief",
    )
    assert WHY in ann.act("earnings/rulechange", "confirm", change)
    assert not StarPlan.objects.filter(daily_profit=9).exists()
    assert "已确认 1 条" in Operator("finance").act("earnings/rulechange", "confirm", change)


@pytest.mark.parametrize("gets_access", [sets_password, resets_second_factor])
@pytest.mark.parametrize("chief_is_first", [True, False])
def test_an_erasure_is_confirmed_by_somebody_independent(chief, gets_access, chief_is_first):
    ann, user = Operator(username="ann"), UserFactory()
    gets_access(chief, ann)
    first, second = (chief, ann) if chief_is_first else (ann, chief)
    first.act("accounts/user", "erase", user, reason="本人要求")
    request = ErasureRequest.objects.get()
    assert WHY in second.act("accounts/erasurerequest", "confirm", request)
    user.refresh_from_db()
    assert (user.erased_at, ErasureRequest.objects.waiting().count()) == (None, 1)
    assert "已注销账号 1 条" in Operator().act("accounts/erasurerequest", "confirm", request)
