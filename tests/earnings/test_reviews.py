"""POST /withdraw/review: the old back-office client's way to approve and reject, under the admin's rules."""

from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from config.api.keys import issue_key
from config.models import AuditEntry, Scope
from earnings.models import EarningsRules, LedgerTransaction, Payout, Withdrawal, WithdrawalStep
from tests.factories.money import ask, balance, give
from tests.factories.people import UserFactory
from tests.support.admin_pages import Operator
from tests.support.client import ApiClient
from tests.support.entry_points import key_with

pytestmark = pytest.mark.django_db
Status = Withdrawal.Status
PATH = "/withdraw/review"


@pytest.fixture(autouse=True)
def _enforced(settings) -> None:
    settings.ENFORCE_AUTH = True


@pytest.fixture
def console() -> ApiClient:
    return key_named("console")


def key_named(name: str) -> ApiClient:
    return ApiClient(key=issue_key(name, [Scope.WITHDRAWALS_REVIEW], confirmed_at=timezone.now()))


def asked(yuan: str = "20") -> Withdrawal:
    user = UserFactory(phone=f"138{User.objects.count():08}")
    give(user, yuan)
    return ask(user, yuan)


def decide(client: Any, status: int, *chosen: Withdrawal, **extra: Any) -> dict[str, Any]:
    """The answer to a call as the old client makes it."""
    body = {"withdraw_id": [str(one.pk) for one in chosen], "status": status, **extra}
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
    return [one["reason"] for one in answer["data"]["skipped"]]


def test_an_approval_lets_each_be_paid_once(console):
    rows = [asked(), asked("50")]
    told = approve(console, *rows)
    assert (told["code"], told["description"]) == (1200, "已通过 2 笔")
    assert told["data"] == {"approved_count": 2, "first_approval_count": 0, "rejected_count": 0, "skipped": []}
    assert {status_of(row) for row in rows} == {(Status.PAYING, "接口:console")}
    assert Payout.objects.count() == 2


def test_a_rejection_gives_the_money_back_with_the_reason(console):
    row = asked()
    told = reject(console, row, reason="资料不符")
    assert (told["description"], told["data"]["rejected_count"]) == ("已拒绝 1 笔", 1)
    assert (status_of(row)[0], row.reason, balance(row.user)) == (Status.REJECTED, "资料不符", ("20.00", "0.00"))


@pytest.mark.parametrize("extra", [{}, {"reason": ""}, {"reason": None}, {"reason": "  "}])
def test_a_rejection_without_a_reason_has_the_stated_one(console, extra: dict[str, Any]):
    row = asked()
    assert reject(console, row, **extra)["code"] == 1200
    row.refresh_from_db()
    assert row.reason == "后台审核未通过"


def test_the_lists_id_is_the_one_that_is_reviewed(console):
    row = asked()
    [listed] = key_with(Scope.BACKOFFICE_READ).post("/admin/withdraw", {"status": 0})["data"]
    console.post(PATH, {"withdraw_id": [listed["id"]], "status": 1})
    assert status_of(row)[0] == Status.PAYING


def test_a_second_call_changes_nothing_and_says_so(console):
    row = asked()
    approve(console, row)
    told = approve(console, row)
    assert (told["code"], told["description"]) == (1409, "跳过 1 笔")
    assert told["data"]["skipped"] == [{"withdraw_id": str(row.pk), "reason": "不在待审核状态（打款中）"}]
    assert (Payout.objects.count(), WithdrawalStep.objects.filter(withdrawal=row).count()) == (1, 2)


def test_what_was_decided_is_not_decided_otherwise(console):
    approved, rejected = asked(), asked()
    approve(console, approved)
    reject(console, rejected)
    assert reasons(reject(console, approved)) == ["不在待审核状态（打款中）"]
    assert reasons(approve(console, rejected)) == ["不在待审核状态（已拒绝）"]
    assert LedgerTransaction.objects.filter(kind="withdrawal_returned").count() == 1


def test_unknown_ids_are_skipped_and_the_others_decided(console):
    row, nobody = asked(), str(uuid4())
    told = console.post(PATH, {"withdraw_id": [nobody, str(row.pk), str(row.pk)], "status": 1})
    assert told["data"]["approved_count"] == 1
    assert told["data"]["skipped"] == [{"withdraw_id": nobody, "reason": "没有这笔提现"}]


def test_the_users_id_names_no_withdrawal(console):
    row = asked()
    assert reasons(console.post(PATH, {"withdraw_id": [str(row.user_id)], "status": 1})) == ["没有这笔提现"]
    assert status_of(row)[0] == Status.TO_REVIEW


def test_the_withdrawals_of_a_blocked_user_were_rejected_before(console):
    row = asked()
    key_with(Scope.USERS_BLOCK).put(f"/users/{row.user_id}/block")
    assert reasons(approve(console, row)) == ["不在待审核状态（已拒绝）"]
    assert not Payout.objects.exists()


class TestTwoActors:
    """A large withdrawal is approved by two; a key counts as one, by its name."""

    def test_the_first_approval_waits_for_another(self, console):
        row = asked("500")
        told = approve(console, row)
        assert told["description"] == "已初审 1 笔，需另一名运营人员通过"
        assert (told["data"]["approved_count"], told["data"]["first_approval_count"]) == (0, 1)
        assert (status_of(row), row.first_approved_by) == ((Status.TO_REVIEW, ""), "接口:console")

    def test_the_same_key_is_no_second_actor(self, console):
        row = asked("500")
        approve(console, row)
        assert reasons(approve(console, row)) == ["已由你初审，需另一名运营人员通过"]
        assert not Payout.objects.exists()

    def test_another_key_of_the_same_name_is_no_second_actor(self, console):
        row = asked("500")
        approve(console, row)
        assert approve(key_named("console"), row)["data"]["approved_count"] == 0

    def test_keys_whose_names_the_books_cannot_tell_apart_are_one_actor(self):
        row = asked("500")
        approve(key_named("k" * 79 + "1"), row)
        assert approve(key_named("k" * 79 + "2"), row)["data"]["approved_count"] == 0

    def test_an_operator_is_a_second_actor_beside_a_key(self, console):
        row = asked("500")
        approve(console, row)
        assert approve(Operator("finance", username="wang"), row)["data"]["approved_count"] == 1
        assert status_of(row) == (Status.PAYING, "wang")

    def test_an_operator_is_the_same_here_and_in_the_admin(self):
        row, wang = asked("500"), Operator("finance", username="wang")
        wang.act("earnings/withdrawal", "approve", row)
        assert reasons(approve(wang, row)) == ["已由你初审，需另一名运营人员通过"]

    def test_callers_without_a_credential_are_one_actor(self, settings):
        settings.ENFORCE_AUTH = False
        row = asked("500")
        assert [approve(ApiClient(), row)["data"]["approved_count"] for _ in range(2)] == [0, 0]

    def test_the_limit_is_the_operators(self, console):
        EarningsRules.objects.update(second_approval_above=None)
        assert approve(console, asked("500"))["data"]["approved_count"] == 1


class TestWhoMay:
    def test_an_operator_who_may_review(self):
        row = asked()
        assert approve(Operator("finance", username="wang"), row)["code"] == 1200
        assert status_of(row) == (Status.PAYING, "wang")

    @pytest.mark.parametrize("role", ["viewer", "support"])
    def test_no_operator_who_may_only_look(self, role: str):
        row = asked()
        assert approve(Operator(role), row)["code"] == 1401
        assert status_of(row)[0] == Status.TO_REVIEW

    def test_no_key_that_only_reads_the_back_office(self):
        row = asked()
        assert approve(key_with(Scope.BACKOFFICE_READ), row)["code"] == 1401
        assert status_of(row)[0] == Status.TO_REVIEW


class TestForgedCalls:
    """A page elsewhere makes an operator's browser call: the session alone opens nothing."""

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
        row = asked()
        assert self.call(browser, row, **headers) == 1401
        assert status_of(row)[0] == Status.TO_REVIEW

    def test_djangos_header_opens(self, browser):
        assert self.call(browser, asked(), **{"X-CSRFToken": browser.cookies["csrftoken"].value}) == 1200

    def test_the_cookie_and_header_of_axios_open(self, browser):
        cookie = browser.cookies["XSRF-TOKEN"]
        assert self.call(browser, asked(), **{"X-XSRF-TOKEN": cookie.value}) == 1200
        assert (bool(cookie["httponly"]), cookie["samesite"]) == (False, "Lax")


@pytest.mark.parametrize("ids", [[], "", ["x"], [None], [5], {}, None])
def test_what_names_no_withdrawal_is_refused(console, ids: Any):
    told = console.post(PATH, {"withdraw_id": ids, "status": 1})
    assert (told["code"], "withdraw_id" in told["description"]) == (1403, True)


def test_the_audit_log_says_who_did_it_through_a_key(console):
    row = asked()
    reject(console, row)
    entry = AuditEntry.objects.get(table_name="earnings_withdrawal", row_id=str(row.pk))
    assert (entry.actor, entry.via, entry.changes["status"]) == ("接口:console", f"POST {PATH}", [0, 2])


def queries_of(decision: Any, client: ApiClient, count: int) -> int:
    rows = [asked() for _ in range(count)]
    with CaptureQueriesContext(connection) as told:
        decision(client, *rows)
    return len(told)


# Each writes its row and its step; a rejection also posts to the books. Nothing is read row by row.
@pytest.mark.parametrize(("decision", "writes"), [(approve, 2), (reject, 10)])
def test_a_decision_costs_its_writes_and_no_more(console, decision: Any, writes: int):
    queries_of(decision, console, 1)  # the first use of a key is noted
    assert queries_of(decision, console, 12) - queries_of(decision, console, 2) == 10 * writes


def test_what_is_skipped_costs_no_query_a_row(console):
    rows = [asked() for _ in range(12)]
    approve(console, *rows)
    counts = []
    for chosen in (rows[:2], rows):
        with CaptureQueriesContext(connection) as told:
            approve(console, *chosen)
        counts.append(len(told))
    assert counts[0] == counts[1]
