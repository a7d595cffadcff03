"""Article reads: the BI system's report of a day is credited once, to owner, inviter and grand-inviter."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts import blocking
from accounts.models import User
from config.models import Scope
from earnings import ledger_check
from earnings.models import ArticleReadDay, EarningsRules, GroupReads, LedgerEntry, LedgerTransaction
from earnings.settlement import settle_day
from tests.factories.people import GroupFactory, UserFactory, days_ago
from tests.support.client import ApiClient
from tests.support.entry_points import key_with
from tests.support.settlement import income, start_settlement, yesterday

pytestmark = pytest.mark.django_db


def report(amounts: object, day: object = None) -> dict:
    body = {"settle_date": str(day or yesterday()), "data": amounts}
    return key_with(Scope.SETTLEMENT_WRITE).post("/settlement", body)


@pytest.fixture(autouse=True)
def _settled_for_a_month() -> None:
    start_settlement(30)


def test_the_owner_gets_the_amount_and_both_inviters_an_eighth(family):
    owner, inviter, grand_inviter = family
    group = GroupFactory(user=owner)
    answer = report({group.code: "20.14"})
    assert answer["code"] == 1200
    assert (income(owner), income(inviter), income(grand_inviter)) == ({1: "20.14"}, {2: "2.51"}, {2: "2.51"})
    assert answer["data"] == {
        "settle_date": str(yesterday()),
        "group_count": 1,
        "amount": "20.14",
        "referral_amount": "5.02",
        "unknown_groups": [],
        "blocked_groups": [],
    }
    assert ledger_check.find_errors() == []


def test_the_amounts_of_a_user_are_summed_and_then_rounded_down(family):
    owner, inviter, _ = family
    groups = [GroupFactory(user=owner) for _ in range(3)]
    report({group.code: "0.15" for group in groups})
    assert (income(owner), income(inviter)) == ({1: "0.45"}, {2: "0.05"})  # an eighth of 0.45 is 0.05625


def test_the_shares_come_from_the_rules(family):
    owner, inviter, grand_inviter = family
    EarningsRules.objects.update(reads_inviter_share="0.5", reads_grand_inviter_share="0")
    report({GroupFactory(user=owner).code: "1.00"})
    assert (income(inviter), income(grand_inviter)) == ({2: "0.50"}, {})


def test_the_credit_is_income_of_the_reported_day(family):
    owner, *_ = family
    report({GroupFactory(user=owner).code: "1.00"})
    days = ApiClient(owner).get("/profit/slip")["data"]
    assert [part["balance"] for part in days[1]["detail"]] == ["0.00", "1.00", "0.00", "0.00", "0.00"]


def test_a_second_report_of_a_day_is_1409_and_pays_nothing(family):
    owner, *_ = family
    group = GroupFactory(user=owner)
    assert [report({group.code: yuan})["code"] for yuan in ("1.00", "5.00")] == [1200, 1409]
    assert income(owner) == {1: "1.00"}


def test_each_day_can_be_reported(family):
    owner, *_ = family
    group = GroupFactory(user=owner)
    days = [yesterday(), yesterday() - timedelta(days=1)]
    assert [report({group.code: "1.00"}, day=day)["code"] for day in days] == [1200, 1200]
    assert LedgerEntry.objects.filter(account__user=owner).count() == 2


def test_unknown_groups_are_listed_and_the_others_paid(family):
    owner, *_ = family
    answer = report({GroupFactory(user=owner).code: "1.00", "nobody": "2.00", "no-one": "0"})
    assert (answer["code"], answer["data"]["unknown_groups"]) == (1200, ["no-one", "nobody"])
    assert income(owner) == {1: "1.00"}


def test_a_group_can_be_reported_by_its_id(family):
    owner, *_ = family
    report({str(GroupFactory(user=owner).pk): "1.00"})
    assert income(owner) == {1: "1.00"}


def test_a_group_reported_by_code_and_id_is_refused(family):
    group = GroupFactory(user=family[0])
    answer = report({str(group.pk): "1.00", group.code: "1.00"})
    assert answer["code"] == 1403
    assert group.code in answer["description"]
    assert not ArticleReadDay.objects.exists()


@pytest.mark.parametrize(
    "amount",
    [
        *(
            "-0.01",
            "x",
            "",
            "NaN",
            "Infinity",
            "1e999",
            "0.0000001",
            "1000000",
            True,
            None,
            [],
            {},
            "1,5",
            "9" * 40,
        ),
        *("1e2", "1E2", "１", "１.００", "+1", "1.", ".5", "1_000", "0.123", "0.001", "٢", "1\u3000", "0x1", "1 0"),
        *(0.125, 0.1 + 0.2, 1e-7, 1e21, -1, 1.005),
    ],
    ids=repr,
)
def test_an_invalid_amount_is_listed_and_nothing_changes(family, amount: object):
    owner, *_ = family
    answer = report({GroupFactory(user=owner).code: "1.00", "bad-group": amount})
    assert answer["code"] == 1403
    assert "bad-group" in answer["description"]
    assert (income(owner), ArticleReadDay.objects.count()) == ({}, 0)


@pytest.mark.parametrize(
    "amounts",
    [{}, [], "x", None, {"a\x00": "1"}, {"\ud800": "1"}, {"": "1"}, {"x" * 129: "1"}],
    ids=["empty", "list", "text", "nothing", "zero byte", "half a character", "blank", "too long"],
)
def test_invalid_data_is_refused(amounts: object):
    assert report(amounts)["code"] == 1403


@pytest.mark.parametrize("amount", ["1e2", "2E0", "2.00000000000000000001", "1e999999999999999999999"])
def test_a_json_number_is_validated_as_written(family, amount: str):
    code = GroupFactory(user=family[0]).code
    raw = f'{{"settle_date": "{yesterday()}", "data": {{"{code}": {amount}}}}}'
    answer = key_with(Scope.SETTLEMENT_WRITE).send("post", "/settlement", raw).json()
    assert (answer["code"], ArticleReadDay.objects.count()) == (1403, 0)


@pytest.mark.parametrize(
    ("amount", "paid"), [(0.07, "0.07"), ("0.070", "0.07"), ("12.3400000", "12.34"), (1.10, "1.10")]
)
def test_trailing_zeros_are_allowed(family, amount: object, paid: str):
    owner, *_ = family
    assert report({GroupFactory(user=owner).code: amount})["code"] == 1200
    assert income(owner) == {1: paid}


def test_a_duplicate_key_in_json_is_refused(family):
    code = GroupFactory(user=family[0]).code
    raw = f'{{"settle_date": "{yesterday()}", "data": {{"{code}": "1.00", "{code}": "2.00"}}}}'
    answer = key_with(Scope.SETTLEMENT_WRITE).send("post", "/settlement", raw).json()
    assert (answer["code"], code in answer["description"]) == (1403, True)
    assert not ArticleReadDay.objects.exists()


@pytest.mark.parametrize("amount", [2, 2.5, "2.50", " 2.5 "])
def test_numbers_and_texts_are_accepted_as_amounts(family, amount: object):
    owner, *_ = family
    assert report({GroupFactory(user=owner).code: amount})["code"] == 1200
    assert income(owner)[1] in ("2.00", "2.50")


@pytest.mark.parametrize("ahead", [0, 1])
def test_a_day_that_is_not_over_is_refused(family, ahead: int):
    day, group = timezone.localdate() + timedelta(days=ahead), GroupFactory(user=family[0])
    answer = report({group.code: "1"}, day=day)
    assert (answer["code"], "已经结束" in answer["description"]) == (1403, True)
    assert not ArticleReadDay.objects.exists()


def test_a_day_before_the_first_settled_day_is_refused(family):
    start_settlement(3)
    code = GroupFactory(user=family[0]).code
    answer = report({code: "1.00"}, day=timezone.localdate() - timedelta(days=4))
    assert (answer["code"], answer["description"]) == (1403, "早于平台开始结算的日期（settle_date）")
    assert report({code: "1.00"}, day="1999-01-01")["code"] == 1403
    assert report({code: "1.00"}, day=timezone.localdate() - timedelta(days=3))["code"] == 1200


def test_on_the_platforms_first_day_yesterday_can_be_reported(family):
    start_settlement(0)
    assert report({GroupFactory(user=family[0]).code: "1.00"})["code"] == 1200


def test_an_earlier_day_that_was_settled_manually_can_be_reported(family):
    start_settlement(0)
    day = timezone.localdate() - timedelta(days=5)
    settle_day(day, at=timezone.now())
    assert report({GroupFactory(user=family[0]).code: "1.00"}, day=day)["code"] == 1200


@pytest.mark.parametrize("written", ["%Y%m%d", "%G-W%V-%u", "%Y-%j", "%Y/%m/%d", "%Y-%m-%d 00:00:00", " %Y-%m-%d"])
def test_a_day_in_another_format_is_refused(family, written: str):
    answer = report({GroupFactory(user=family[0]).code: "1.00"}, day=yesterday().strftime(written))
    assert (answer["code"], answer["description"]) == (1403, "日期格式应为 YYYY-MM-DD（settle_date）")
    assert not ArticleReadDay.objects.exists()


def test_groups_of_a_blocked_user_earn_nothing_for_anyone(family):
    owner, inviter, _ = family
    User.objects.filter(pk=owner.pk).update(blocked_at=timezone.now())
    group = GroupFactory(user=owner)
    assert report({group.code: "8"})["data"]["blocked_groups"] == [group.code]
    assert (income(owner), income(inviter)) == ({}, {})


def test_a_blocked_inviter_gets_no_share_of_reads_and_the_grand_inviter_keeps_theirs(family):
    owner, inviter, grand_inviter = family
    blocking.block(user=inviter, by="root", reason="作弊", at=timezone.now())
    answer = report({GroupFactory(user=owner).code: "8"})
    assert (income(owner), income(inviter), income(grand_inviter)) == ({1: "8.00"}, {}, {2: "1.00"})
    assert answer["data"]["referral_amount"] == "1.00"


def test_a_day_that_became_due_during_a_block_is_not_paid_later(family):
    owner, _, grand_inviter = family
    blocking.block(user=grand_inviter, by="root", reason="作弊", at=days_ago(2))
    blocking.unblock(user=grand_inviter, at=days_ago(0, hour=1))
    code = GroupFactory(user=owner).code
    report({code: "8"})
    report({code: "8"}, day=timezone.localdate() - timedelta(days=3))
    assert income(grand_inviter) == {2: "1.00"}  # of the earlier day only


def test_a_group_bound_after_the_day_is_unknown():
    bound = GroupFactory(bound_at=days_ago(0, hour=0))
    answer = report({bound.code: "1.00", str(bound.pk): "1.00"})["data"]
    assert (answer["group_count"], sorted(answer["unknown_groups"])) == (0, sorted([bound.code, str(bound.pk)]))
    assert income(bound.user) == {}


def test_a_group_bound_in_the_last_minute_of_the_day_was_served_on_it():
    bound = GroupFactory(bound_at=days_ago(1, hour=23))
    assert report({bound.code: "1.00"})["data"]["unknown_groups"] == []


def test_a_day_between_two_bindings_belongs_to_neither():
    before = GroupFactory(code="g", cancelled_at=days_ago(3), cancel_reason=3)
    after = GroupFactory(code="g", bound_at=days_ago(1))
    answer = report({"g": "1.00"}, day=timezone.localdate() - timedelta(days=2))
    assert answer["data"]["unknown_groups"] == ["g"]
    assert (income(before.user), income(after.user)) == ({}, {})


def test_the_binding_that_was_active_on_the_day_is_paid():
    before, after = UserFactory(), UserFactory()
    GroupFactory(code="g", user=before, bound_at=days_ago(9), cancelled_at=days_ago(3), cancel_reason=3)
    GroupFactory(code="g", user=after, bound_at=days_ago(2))
    report({"g": "1.00"}, day=timezone.localdate() - timedelta(days=4))
    report({"g": "2.00"})
    assert (income(before), income(after)) == ({1: "1.00"}, {1: "2.00"})


def test_a_group_cancelled_before_that_day_is_unknown():
    GroupFactory(code="gone", cancelled_at=days_ago(3), cancel_reason=3)
    assert report({"gone": "1.00"})["data"]["unknown_groups"] == ["gone"]


def test_the_number_of_queries_does_not_grow_with_the_groups(family, django_assert_max_num_queries):
    owner, *_ = family
    codes = [GroupFactory(user=owner).code for _ in range(20)] + [f"nobody-{n}" for n in range(5000)]
    with django_assert_max_num_queries(20):
        answer = report(dict.fromkeys(codes, "0.01"))
    assert (answer["data"]["group_count"], len(answer["data"]["unknown_groups"])) == (20, 5000)
    assert income(owner) == {1: "0.20"}


def test_the_reported_amounts_are_stored_by_group(family):
    group = GroupFactory(user=family[0])
    report({group.code: "0.12"})
    [row] = GroupReads.objects.all()
    assert (row.group_id, row.day, row.amount) == (group.pk, yesterday(), Decimal("0.12"))
    with pytest.raises(IntegrityError, match="reads_of_group_are_paid_once_a_day"), transaction.atomic():
        GroupReads.objects.create(group=group, day=yesterday(), amount=1)


def test_the_ledger_contains_the_reporting_system():
    report({GroupFactory().code: "1.00"})
    posted = LedgerTransaction.objects.get()
    assert (posted.kind, posted.idempotency_key) == ("article_reads", f"article_reads:{yesterday()}")
    assert posted.posted_by.startswith("接口：test-")
    assert ArticleReadDay.objects.get().settled_by == posted.posted_by


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_concurrent_reports_pay_once():
    group, client = GroupFactory(), key_with(Scope.SETTLEMENT_WRITE)
    body = {"settle_date": str(yesterday()), "data": {group.code: "1.00"}}

    def send(_: int) -> int:
        try:
            return client.post("/settlement", body)["code"]
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(send, range(4))) == [1200, 1409, 1409, 1409]
    assert income(group.user) == {1: "1.00"}
