"""The warning on a withdrawal's page about other users who are paid to the same WeChat account."""

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from earnings import withdrawals
from earnings.admin import risks
from earnings.models import Withdrawal
from tests.factories.money import credit, requested_withdrawal
from tests.factories.people import UserFactory
from tests.support.admin_pages import Operator

pytestmark = pytest.mark.django_db


def withdrawal_to(
    open_id: str, *, app_id: str = "sandbox", days_ago: int = 0, user: User | None = None
) -> Withdrawal:
    user = user or UserFactory(phone=f"1380013{User.objects.count():04}", open_id=open_id, app_id=app_id)
    credit(user, "20")
    return requested_withdrawal(user, days_ago=days_ago)


def warning_of(root: Operator, withdrawal: Withdrawal) -> str:
    """Return the warning about the account on the page of this withdrawal, if there is one."""
    page = root.page(f"earnings/withdrawal/{withdrawal.pk}/change/")
    found = [part.split("<")[0] for part in page.split('<li class="risk">')[1:] if "同一个微信账号" in part]
    return found[0] if found else ""


def test_others_who_are_paid_to_the_same_account_are_counted(root):
    mine = withdrawal_to("open-shared")
    twice = withdrawal_to("open-shared", days_ago=2)
    withdrawal_to("open-shared", user=twice.user)
    withdrawal_to("open-shared")
    assert warning_of(root, mine) == "另有 2 个用户使用同一个微信账号收款"


def test_an_account_is_the_same_in_the_same_app_only(root, settings):
    settings.WECHAT_APPS = {"sandbox": "s", "second-app": "s"}
    mine = withdrawal_to("open-shared")
    withdrawal_to("open-shared", app_id="second-app")
    withdrawal_to("open-other")
    assert warning_of(root, mine) == ""


def test_earlier_withdrawals_of_the_same_user_cause_no_warning(root):
    earlier = withdrawal_to("open-alice", days_ago=3)
    assert warning_of(root, withdrawal_to("open-alice", user=earlier.user)) == ""


def test_accounts_that_are_not_known_are_not_the_same(root):
    mine = withdrawal_to("")
    withdrawal_to("")
    assert warning_of(root, mine) == ""


def test_the_account_at_the_time_of_the_request_counts(root):
    mine, other = withdrawal_to("open-shared"), withdrawal_to("open-shared")
    withdrawals.reject([other.pk], by="root", reason="重复", at=timezone.now())
    User.objects.filter(pk=other.user_id).update(open_id="open-new")
    assert warning_of(root, mine) == "另有 1 个用户使用同一个微信账号收款"


def test_it_warns_in_english(root):
    mine = withdrawal_to("open-shared")
    withdrawal_to("open-shared")
    root.http.post("/admin/language/", {"language": "en", "next": "/admin/"})
    page = root.page(f"earnings/withdrawal/{mine.pk}/change/")
    assert "Other users who are paid to the same WeChat account: 1" in page


def test_the_others_are_found_by_an_index():
    plan_of = risks.paid_to_account_of(withdrawal_to("open-shared"))
    User.objects.bulk_create(UserFactory.build_batch(500))  # with one or two users the planner could use any index
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE accounts_user")
        cursor.execute("SET LOCAL enable_seqscan = off")
    plan = plan_of.explain()
    assert ("withdrawals_by_receiver" in plan, "users_by_wechat_account" in plan) == (True, True)


def test_users_without_a_withdrawal_are_counted_too(root):
    mine = withdrawal_to("open-shared")
    UserFactory(open_id="open-shared", app_id="sandbox")
    assert warning_of(root, mine) == "另有 1 个用户使用同一个微信账号收款"
