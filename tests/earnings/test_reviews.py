"""POST /withdraw/review: approval and rejection by the old back-office client, under the admin's rules."""

from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.api.keys import issue_key
from config.models import AuditEntry, Scope
from earnings.models import EarningsRules, LedgerTransaction, Payout, Withdrawal, WithdrawalStep
from tests.factories.money import available_and_withdrawing, withdrawal_of_new_user
from tests.support.admin_pages import Operator
from tests.support.client import ApiClient
from tests.support.entry_points import key_with

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("enforced_auth")]
Status = Withdrawal.Status
PATH = "/withdraw/review"


@pytest.fixture
def console() -> ApiClient:
    return key_named("console")


def key_named(name: str) -> ApiClient:
    return ApiClient(key=issue_key(name, [Scope.WITHDRAWALS_REVIEW], confirmed_at=timezone.now()))


def decide(client: Any, status: int, *chosen: Withdrawal, **extra: Any) -> dict[str, Any]:
    """Return the answer to a call in the form of the old client."""
    body = {"withdraw_id": [str(withdrawal.pk) for withdrawal in chosen], "status": status, **extra}
    if isinstance(client, Operator):
        return client.http.post(PATH, body, content_type="application/json").json()
    return client.post(PATH, body)


def approve(client: Any, *chosen: Withdrawal) -> dict[str, Any]:
    return decide(client, 1, *chosen)


def reject(client: Any, *chosen: Withdrawal, **extra: Any) -> dict[str, Any]:
    return decide(client, 2, *chosen, **extra)


def status_of(withdrawal: Withdrawal) -> tuple[int, str]:
    withdrawal.refresh_from_db()
    return withdrawal.status, withdrawal.reviewed_by


def reasons(answer: dict[str, Any]) -> list[str]:
    return [item["reason"] for item in answer["data"]["skipped"]]


def test_an_approval_creates_one_payout_for_each_withdrawal(console):
    rows = [withdrawal_of_new_user(), withdrawal_of_new_user("50")]
    answer = approve(console, *rows)
    assert (answer["code"], answer["description"]) == (1200, "已通过 2 笔")
    assert answer["data"] == {"approved_count": 2, "first_approval_count": 0, "rejected_count": 0, "skipped": []}
    assert {status_of(row) for row in rows} == {(Status.PAYING, "接口：console")}
    assert Payout.objects.count() == 2


def test_a_rejection_returns_the_money_and_stores_the_reason(console):
    row = withdrawal_of_new_user()
    answer = reject(console, row, reason="资料不符")
    assert (answer["description"], answer["data"]["rejected_count"]) == ("已拒绝 1 笔", 1)
    assert (status_of(row)[0], row.reason, available_and_withdrawing(row.user)) == (
        Status.REJECTED,
        "资料不符",
        ("20.00", "0.00"),
    )


@pytest.mark.parametrize("extra", [{}, {"reason": ""}, {"reason": None}, {"reason": "  "}])
def test_a_rejection_without_a_reason_has_the_default_reason(console, extra: dict[str, Any]):
    row = withdrawal_of_new_user()
    assert reject(console, row, **extra)["code"] == 1200
    row.refresh_from_db()
    assert row.reason == "后台审核未通过"


def test_a_review_uses_the_id_of_the_list(console):
    row = withdrawal_of_new_user()
    [listed] = key_with(Scope.BACKOFFICE_READ).post("/admin/withdraw", {"status": 0})["data"]
    console.post(PATH, {"withdraw_id": [listed["id"]], "status": 1})
    assert status_of(row)[0] == Status.PAYING


def test_a_second_call_is_1409_and_changes_nothing(console):
    row = withdrawal_of_new_user()
    approve(console, row)
    answer = approve(console, row)
    assert (answer["code"], answer["description"]) == (1409, "跳过 1 笔")
    assert answer["data"]["skipped"] == [{"withdraw_id": str(row.pk), "reason": "不在待审核状态（打款中）"}]
    assert (Payout.objects.count(), WithdrawalStep.objects.filter(withdrawal=row).count()) == (1, 2)


def test_a_decision_cannot_be_changed(console):
    approved, rejected = withdrawal_of_new_user(), withdrawal_of_new_user()
    approve(console, approved)
    reject(console, rejected)
    assert reasons(reject(console, approved)) == ["不在待审核状态（打款中）"]
    assert reasons(approve(console, rejected)) == ["不在待审核状态（已拒绝）"]
    assert LedgerTransaction.objects.filter(kind="withdrawal_returned").count() == 1


def test_unknown_ids_are_skipped_and_the_others_decided(console):
    row, nobody = withdrawal_of_new_user(), str(uuid4())
    answer = console.post(PATH, {"withdraw_id": [nobody, str(row.pk), str(row.pk)], "status": 1})
    assert answer["data"]["approved_count"] == 1
    assert answer["data"]["skipped"] == [{"withdraw_id": nobody, "reason": "没有这笔提现"}]


def test_a_users_id_is_no_withdrawal_id(console):
    row = withdrawal_of_new_user()
    assert reasons(console.post(PATH, {"withdraw_id": [str(row.user_id)], "status": 1})) == ["没有这笔提现"]
    assert status_of(row)[0] == Status.TO_REVIEW


def test_the_withdrawals_of_a_blocked_user_were_rejected_before(console):
    row = withdrawal_of_new_user()
    key_with(Scope.USERS_BLOCK).put(f"/users/{row.user_id}/block")
    assert reasons(approve(console, row)) == ["不在待审核状态（已拒绝）"]
    assert not Payout.objects.exists()


class TestTwoActors:
    """A large withdrawal needs two actors; a key counts as one actor, by its name."""

    def test_the_first_approval_waits_for_another(self, console):
        row = withdrawal_of_new_user("500")
        answer = approve(console, row)
        assert answer["description"] == "已初审 1 笔，需另一名运营人员通过"
        assert (answer["data"]["approved_count"], answer["data"]["first_approval_count"]) == (0, 1)
        assert (status_of(row), row.first_approved_by) == ((Status.TO_REVIEW, ""), "接口：console")

    def test_the_same_key_is_no_second_actor(self, console):
        row = withdrawal_of_new_user("500")
        approve(console, row)
        assert reasons(approve(console, row)) == ["已由你初审，需另一名运营人员通过"]
        assert not Payout.objects.exists()

    def test_another_key_of_the_same_name_is_no_second_actor(self, console):
        row = withdrawal_of_new_user("500")
        approve(console, row)
        assert approve(key_named("console"), row)["data"]["approved_count"] == 0

    def test_keys_with_the_same_truncated_name_are_one_actor(self):
        row = withdrawal_of_new_user("500")
        approve(key_named("k" * 79 + "1"), row)
        assert approve(key_named("k" * 79 + "2"), row)["data"]["approved_count"] == 0

    def test_an_operator_is_a_second_actor_beside_a_key(self, console):
        row = withdrawal_of_new_user("500")
        approve(console, row)
        assert approve(Operator("finance", username="wang"), row)["data"]["approved_count"] == 1
        assert status_of(row) == (Status.PAYING, "wang")

    def test_an_operator_is_the_same_actor_here_and_in_the_admin(self):
        row, wang = withdrawal_of_new_user("500"), Operator("finance", username="wang")
        wang.act("earnings/withdrawal", "approve", row)
        assert reasons(approve(wang, row)) == ["已由你初审，需另一名运营人员通过"]

    def test_callers_without_a_credential_are_one_actor(self, settings):
        settings.ENFORCE_AUTH = False
        row = withdrawal_of_new_user("500")
        assert [approve(ApiClient(), row)["data"]["approved_count"] for _ in range(2)] == [0, 0]

    def test_the_limit_comes_from_the_rules(self, console):
        EarningsRules.objects.update(second_approval_above=None)
        assert approve(console, withdrawal_of_new_user("500"))["data"]["approved_count"] == 1


class TestPermissions:
    def test_an_operator_with_the_permission_can_review(self):
        row = withdrawal_of_new_user()
        assert approve(Operator("finance", username="wang"), row)["code"] == 1200
        assert status_of(row) == (Status.PAYING, "wang")

    @pytest.mark.parametrize("role", ["viewer", "support"])
    def test_an_operator_without_the_permission_cannot_review(self, role: str):
        row = withdrawal_of_new_user()
        assert approve(Operator(role), row)["code"] == 1401
        assert status_of(row)[0] == Status.TO_REVIEW

    def test_a_key_that_only_reads_the_back_office_cannot_review(self):
        row = withdrawal_of_new_user()
        assert approve(key_with(Scope.BACKOFFICE_READ), row)["code"] == 1401
        assert status_of(row)[0] == Status.TO_REVIEW


class TestForgedCalls:
    """Calls from a foreign page in an operator's browser: the session alone is not sufficient."""

    @pytest.fixture
    def browser(self) -> Client:
        browser = Client(enforce_csrf_checks=True)
        browser.force_login(Operator("finance").user)
        browser.get("/admin/")
        return browser

    def call(self, browser: Client, row: Withdrawal, **headers: str) -> int:
        body = {"withdraw_id": [str(row.pk)], "status": 1}
        return browser.post(PATH, body, content_type="application/json", headers=headers).json()["code"]

    @pytest.mark.parametrize("headers", [{}, {"X-XSRF-TOKEN": "x" * 32}, {"X-CSRFToken": "x" * 32}])
    def test_without_the_token_of_the_cookie_it_is_refused(self, browser, headers: dict[str, str]):
        row = withdrawal_of_new_user()
        assert self.call(browser, row, **headers) == 1401
        assert status_of(row)[0] == Status.TO_REVIEW

    def test_djangos_header_is_accepted(self, browser):
        assert (
            self.call(browser, withdrawal_of_new_user(), **{"X-CSRFToken": browser.cookies["csrftoken"].value})
            == 1200
        )

    def test_the_cookie_and_header_of_axios_are_accepted(self, browser):
        cookie = browser.cookies["XSRF-TOKEN"]
        assert self.call(browser, withdrawal_of_new_user(), **{"X-XSRF-TOKEN": cookie.value}) == 1200
        assert (bool(cookie["httponly"]), cookie["samesite"]) == (False, "Lax")


@pytest.mark.parametrize("ids", [[], "", ["x"], [None], [5], {}, None])
def test_invalid_ids_are_refused(console, ids: Any):
    answer = console.post(PATH, {"withdraw_id": ids, "status": 1})
    assert (answer["code"], "withdraw_id" in answer["description"]) == (1403, True)


def test_the_audit_log_contains_the_key_of_a_review(console):
    row = withdrawal_of_new_user()
    reject(console, row)
    entry = AuditEntry.objects.get(table_name="earnings_withdrawal", row_id=str(row.pk))
    assert (entry.actor, entry.via, entry.changes["status"]) == ("接口：console", f"POST {PATH}", [0, 2])


def queries_of(decision: Any, client: ApiClient, count: int) -> int:
    rows = [withdrawal_of_new_user() for _ in range(count)]
    with CaptureQueriesContext(connection) as queries:
        decision(client, *rows)
    return len(queries)


# Each decision writes its row and its step; a rejection also posts to the ledger. Nothing is read row by row.
@pytest.mark.parametrize(("decision", "writes"), [(approve, 2), (reject, 10)])
def test_a_decision_needs_only_its_writes(console, decision: Any, writes: int):
    queries_of(decision, console, 1)  # the first use of a key is recorded
    assert queries_of(decision, console, 12) - queries_of(decision, console, 2) == 10 * writes


def test_skipped_withdrawals_need_no_query_per_row(console):
    rows = [withdrawal_of_new_user() for _ in range(12)]
    approve(console, *rows)
    counts = []
    for chosen in (rows[:2], rows):
        with CaptureQueriesContext(connection) as queries:
            approve(console, *chosen)
        counts.append(len(queries))
    assert counts[0] == counts[1]
