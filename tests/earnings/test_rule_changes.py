"""Changes of plans, prices and rules: past days stay, the effect is shown first, large changes need two operators."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from config.models import AuditEntry
from earnings.models import EarningsRules, LedgerTransaction, RuleChange
from earnings.red_packets import pay_red_packet
from earnings.settlement import settle_day
from groups.models import ArticlePrice, StarPlan
from groups.stars import PlanGap, gaps_in_plans
from tests.factories.money import change_plans_in_force, rated_group
from tests.factories.people import UserFactory
from tests.support.admin_pages import Operator
from tests.support.settlement import yesterday

pytestmark = pytest.mark.django_db
ADD = "groups/starplan/add/"
RULES = "earnings/earningsrules/1/change/"
CHANGES = "earnings/rulechange"


def day(ahead: int) -> date:
    return timezone.localdate() + timedelta(days=ahead)


def plan(profit: str, *, star: int = 5, ahead: int = 1, **fields: object) -> dict[str, object]:
    values = {
        "star": star,
        "income_days": 30,
        "daily_profit": profit,
        "activity_bonus": "0",
        "valid_from": day(ahead),
    }
    return {**values, **fields}


@pytest.fixture
def ann() -> Operator:
    return Operator("finance", username="ann")


@pytest.fixture
def bob() -> Operator:
    return Operator("finance", username="bob")


@pytest.fixture
def future(ann) -> StarPlan:
    return StarPlan.objects.create(star=5, daily_profit="1.10", income_days=30, valid_from=day(5))


def only_change() -> RuleChange:
    return RuleChange.objects.get()


class TestInForce:
    def test_a_plan_in_force_has_no_form(self, ann):
        current = StarPlan.objects.get(star=5)
        path = f"groups/starplan/{current.pk}/change/"
        assert 'name="daily_profit"' not in ann.page(path)
        assert ann.http.post(f"/admin/{path}", plan("100")).status_code == 403
        assert StarPlan.objects.get(star=5).daily_profit == 1

    @pytest.mark.parametrize("ahead", [0, -300])
    def test_a_plan_begins_on_a_future_day(self, ann, ahead):
        assert "生效日期要在今天之后" in ann.saves(ADD, plan("2.00", ahead=ahead))
        assert StarPlan.objects.filter(star=5).count() == 1

    @pytest.mark.parametrize("amount", ["1e0", "１.５０", "1_0", "٣", "NaN", "0x1", "1.5E+0", ".5"])
    def test_an_amount_is_written_in_plain_digits(self, ann, amount):
        assert "输入一个数字" in ann.saves(ADD, plan(amount))
        assert StarPlan.objects.filter(star=5).count() == 1

    @pytest.mark.parametrize("days", ["３０", "3_0", "30.0", "1e1"])
    def test_a_number_of_days_is_written_in_plain_digits(self, ann, days):
        assert "输入整数" in ann.saves(ADD, plan("1.50", income_days=days))
        assert StarPlan.objects.filter(star=5).count() == 1

    def test_a_future_plan_is_not_moved_to_today(self, ann, future):
        path = f"groups/starplan/{future.pk}/change/"
        assert "生效日期要在今天之后" in ann.saves(path, ann.opens(path), valid_from=day(0))
        future.refresh_from_db()
        assert future.valid_from == day(5)

    @pytest.mark.parametrize("model", [StarPlan, ArticlePrice])
    def test_the_database_keeps_what_is_in_force(self, model):
        rows = model.objects.filter(valid_from__lte=day(0))
        for write in (rows.delete, lambda: rows.update(valid_from=day(3))):
            with pytest.raises(IntegrityError, match="in force since"), transaction.atomic():
                write()

    def test_the_database_refuses_to_move_a_future_plan_into_the_past(self, future):
        with pytest.raises(IntegrityError, match="begins on a future day"), transaction.atomic():
            StarPlan.objects.filter(pk=future.pk).update(valid_from=yesterday())

    def test_a_price_in_force_has_no_form_and_a_new_one_begins_later(self, ann):
        current = ArticlePrice.objects.get()
        assert 'name="amount"' not in ann.page(f"groups/articleprice/{current.pk}/change/")
        assert "生效日期要在今天之后" in ann.saves(
            "groups/articleprice/add/", {"amount": "0.20", "valid_from": day(0)}
        )
        ann.proposes("groups/articleprice/add/", amount="0.20", valid_from=day(1))
        assert list(ArticlePrice.objects.values_list("amount", "valid_from")[:1]) == [(Decimal("0.20"), day(1))]

    def test_a_past_day_pays_the_same_after_a_change(self, ann):
        group = rated_group(5)
        ann.proposes(ADD, **plan("3.00"))
        assert settle_day(yesterday(), at=timezone.now()).total == 1
        assert group.user.account.available == 1


class TestPreview:
    def test_saving_shows_the_effect_per_night_and_saves_nothing(self, ann, family):
        rated_group(5, user=family[0])
        page = ann.saves(ADD, ann.opens(ADD), **plan("2.00", activity_bonus="0.50"))
        assert (
            "<strong>2.50</strong></td><td><strong>5.50</strong>" in page
        )  # 2.00 + 0.50, 2.00 and 1.00 to the inviters
        assert "<strong>+3.00</strong>" in page
        assert "<td>1.00</td><td><strong>2.00</strong>" in page  # the plan itself
        assert "0000" not in page.split("<h2>")[1].split("<form")[0]
        assert (StarPlan.objects.filter(star=5).count(), RuleChange.objects.count()) == (1, 0)

    def test_a_confirmed_change_applies_from_its_day(self, ann, family):
        rated_group(5, user=family[0])
        assert "已保存，每晚影响 +2.50 元" in ann.proposes(ADD, **plan("2.00"))
        assert StarPlan.objects.get(valid_from=day(1)).daily_profit == 2
        change = only_change()
        assert (change.asked_by, change.decided_by, change.effect, change.needs_second) == (
            "ann",
            "ann",
            2.5,
            False,
        )
        assert AuditEntry.objects.filter(table_name="groups_starplan", actor="ann", action="I").count() == 1

    def test_a_confirmation_of_another_effect_shows_the_page_again(self, ann, family):
        page = ann.saves(ADD, ann.opens(ADD), **plan("2.00"))
        rated_group(5, user=family[0])
        assert "有了变化" in ann.confirms(ADD, page)
        assert "有了变化" in ann.confirms(ADD, page, daily_profit="90.00")
        assert not RuleChange.objects.exists()

    def test_the_back_link_leads_to_the_filled_form(self, ann):
        page = ann.saves(ADD, ann.opens(ADD), **plan("2.34"))
        back = page.split('class="button cancel-link"')[0].split('<a href="')[-1].split('"')[0]
        assert 'value="2.34"' in ann.http.get(back.replace("&amp;", "&")).text

    def test_an_invalid_plan_is_not_measured(self, ann):
        page = ann.saves(ADD, {**plan("x", activity_bonus="-1"), "star": 6, "valid_from": "yesterday"})
        assert ("确认变更" in page, 'class="errorlist"' in page) == (False, True)

    def test_the_form_has_a_select_of_stars_and_a_picker_of_days(self, ann):
        page = ann.page(ADD)
        assert '<select name="star"' in page
        assert 'class="vDateField"' in page

    def test_the_button_above_the_settled_days_leads_to_the_form(self, ann):
        assert '<select name="star"' in ann.clicks("earnings/settlementday", "try_a_plan")
        assert Operator("viewer").http.post("/admin/earnings/settlementday/do/try_a_plan/").status_code == 403


class TestTwoOperators:
    @pytest.fixture
    def large(self, ann) -> RuleChange:
        rated_group(5)
        assert "待另一名运营人员" in ann.proposes(ADD, **plan("102.00"))
        return only_change()

    def test_a_large_change_waits(self, ann, large):
        assert (large.status, large.effect, large.asked_by) == (RuleChange.Status.WAITING, 101, "ann")
        assert not StarPlan.objects.filter(valid_from=day(1)).exists()
        assert "<strong>1</strong><span>待第二人确认的收益变更</span>" in ann.page("")

    def test_the_author_is_no_second_operator(self, ann, large):
        assert "由你自己提交" in ann.act(CHANGES, "confirm", large)
        assert not StarPlan.objects.filter(valid_from=day(1)).exists()

    def test_a_second_operator_confirms(self, bob, large):
        assert "ann：星级收益方案，每晚影响 +101.00 元" in bob.act(CHANGES, "confirm", large, confirmed=False)
        assert "已确认 1 条" in bob.act(CHANGES, "confirm", large)
        assert StarPlan.objects.get(valid_from=day(1)).daily_profit == 102
        large.refresh_from_db()
        assert (large.status, large.decided_by) == (RuleChange.Status.APPLIED, "bob")
        assert AuditEntry.objects.filter(table_name="earnings_rulechange", actor="bob", action="U").count() == 1

    @pytest.mark.parametrize("who", ["ann", "bob"])
    def test_either_operator_may_refuse(self, request, large, who):
        assert "已拒绝 1 条" in request.getfixturevalue(who).act(CHANGES, "refuse", large, reason="写错了")
        large.refresh_from_db()
        assert (large.status, large.reason, large.decided_by) == (RuleChange.Status.REJECTED, "写错了", who)
        assert "已经处理" in request.getfixturevalue(who).act(CHANGES, "confirm", large)
        assert not StarPlan.objects.filter(valid_from=day(1)).exists()

    def test_small_changes_of_one_operator_are_summed(self, ann):
        rated_group(5)
        assert "已保存" in ann.proposes(ADD, **plan("61.00"))
        page = ann.proposes(ADD, **plan("61.00", star=4, ahead=2))
        assert "已保存" in page  # no group has four stars
        assert "待另一名运营人员" in ann.proposes(ADD, **plan("120.00", ahead=3))

    def test_a_decrease_is_a_large_change_too(self, ann):
        change_plans_in_force(5, daily_profit="150.00")
        rated_group(5)
        assert "每晚影响 -149.00 元，已提交" in ann.proposes(ADD, **plan("1.00"))

    def test_without_a_limit_one_operator_is_enough(self, ann):
        rated_group(5)
        EarningsRules.objects.update(second_operator_above=None)
        assert "已保存" in ann.proposes(ADD, **plan("500.00"))

    def test_a_change_whose_first_day_has_begun_is_not_applied(self, bob, large):
        stale = RuleChange.objects.create(
            target=large.target,
            values={**large.values, "valid_from": str(day(0))},
            effect=200,
            needs_second=True,
            asked_at=timezone.now(),
            asked_by="ann",
        )
        assert "已经生效的不能修改" in bob.act(CHANGES, "confirm", stale)
        assert not StarPlan.objects.filter(valid_from=day(0)).exists()

    def test_a_row_changed_in_the_meantime_is_not_overwritten(self, ann, bob, future):
        rated_group(5)
        ann.proposes(f"groups/starplan/{future.pk}/change/", daily_profit="300.00")
        StarPlan.objects.filter(pk=future.pk).update(daily_profit="1.20")
        assert "这一条已被修改" in bob.act(CHANGES, "confirm", only_change())
        future.refresh_from_db()
        assert future.daily_profit == Decimal("1.20")

    def test_one_row_has_one_waiting_change(self, ann, bob, future):
        rated_group(5)
        path = f"groups/starplan/{future.pk}/change/"
        ann.proposes(path, daily_profit="300.00")
        assert "已有待确认的变更" in bob.proposes(path, daily_profit="400.00")
        assert RuleChange.objects.count() == 1

    def test_deleting_a_large_plan_needs_two_operators(self, bob, future):
        rated_group(5)
        StarPlan.objects.filter(pk=future.pk).update(daily_profit="300.00")
        chief = Operator("administrator")
        path = f"groups/starplan/{future.pk}/delete/"
        assert "待另一名运营人员" in chief.confirms(path, chief.page(path))
        assert StarPlan.objects.filter(pk=future.pk).exists()
        bob.act(CHANGES, "confirm", only_change())
        assert not StarPlan.objects.filter(pk=future.pk).exists()

    def test_a_confirmation_needs_the_permission(self, large):
        Operator("viewer").act(CHANGES, "confirm", large)
        large.refresh_from_db()
        assert large.status == RuleChange.Status.WAITING

    def test_the_database_refuses_a_confirmation_by_the_author(self, large):
        now = timezone.now()
        with pytest.raises(IntegrityError, match="large_rule_change_is_of_two_people"), transaction.atomic():
            RuleChange.objects.update(status=1, decided_at=now, decided_by="ann")

    def test_the_database_refuses_changes_of_a_submitted_change(self, ann, large):
        with pytest.raises(IntegrityError, match="decided once"), transaction.atomic():
            RuleChange.objects.update(effect=0)
        ann.act(CHANGES, "refuse", large, reason="写错了")
        with pytest.raises(IntegrityError, match="decided once"), transaction.atomic():
            RuleChange.objects.update(status=0, decided_at=None, decided_by="")


class TestRules:
    def test_a_changed_share_shows_its_effect_and_is_saved_after_the_confirmation(self, ann, family):
        rated_group(5, user=family[0])
        page = ann.saves(RULES, ann.opens(RULES), inviter_share="0.2")
        assert "<strong>-0.80</strong>" in page
        assert EarningsRules.current().inviter_share == 1
        ann.confirms(RULES, page)
        assert EarningsRules.current().inviter_share == Decimal("0.2")

    def test_the_effect_of_red_packets_is_estimated_from_the_last_week(self, ann):
        for _ in range(7):
            pay_red_packet(UserFactory(), at=timezone.now())
        assert "待另一名运营人员" in ann.proposes(RULES, red_packet_min="200.00", red_packet_max="200.00")
        assert EarningsRules.current().red_packet_max == Decimal("0.70")
        assert only_change().effect == Decimal("199.35")  # one a day, 0.65 on average before

    def test_rules_cannot_change_while_a_day_is_unsettled(self, ann):
        EarningsRules.objects.update(settle_from=day(-3))
        assert "还有未结算的日期" in ann.saves(RULES, ann.opens(RULES), inviter_share="0.2")
        assert EarningsRules.current().inviter_share == 1

    def test_finance_cannot_change_the_first_settled_day(self, ann):
        before = EarningsRules.current().settle_from
        ann.proposes(RULES, settle_from=day(-30), adoption_fee="0.02")
        rules = EarningsRules.current()
        assert (rules.settle_from, str(rules.adoption_fee)) == (before, "0.02")

    def test_a_form_without_a_change_changes_nothing(self, ann):
        assert "没有改动" in ann.saves(RULES, ann.opens(RULES))
        assert not RuleChange.objects.exists()


class TestGaps:
    def test_a_plan_that_ends_leaves_a_gap(self):
        assert gaps_in_plans(since=day(0)) == []
        change_plans_in_force(5, valid_to=day(2))
        StarPlan.objects.create(star=5, daily_profit="1", valid_from=day(6), valid_to=day(7))
        assert gaps_in_plans(since=day(0)) == [PlanGap(5, day(3), day(5)), PlanGap(5, day(8), None)]

    def test_overlapping_or_adjacent_plans_leave_no_gap(self):
        change_plans_in_force(5, valid_to=day(4))
        StarPlan.objects.create(star=5, daily_profit="1", valid_from=day(2), valid_to=day(3))
        StarPlan.objects.create(star=5, daily_profit="1", valid_from=day(5))
        assert gaps_in_plans(since=day(0)) == []

    def test_a_star_without_any_plan_has_a_gap(self):
        change_plans_in_force(3, valid_to=yesterday())
        assert gaps_in_plans(since=day(0)) == [PlanGap(3, day(0), None)]

    def test_the_list_and_the_home_page_show_gaps(self, ann):
        change_plans_in_force(5, valid_to=day(2))
        assert f"没有收益方案：5★ {day(3)} –" in ann.page("groups/starplan/")
        assert f"<strong>1</strong><span>没有收益方案的星级</span><small>5★ {day(3)} –" in ann.page("")

    def test_a_plan_that_leaves_a_gap_needs_another_confirmation(self, ann, future):
        change_plans_in_force(5, valid_to=day(4))
        StarPlan.objects.filter(pk=future.pk).update(valid_to=None)
        path = f"groups/starplan/{future.pk}/change/"
        page = ann.saves(path, ann.opens(path), valid_from=day(8))
        assert f"5★ {day(5)} – {day(7)}" in page
        assert "我确认这些日期没有收益" in ann.confirms(path, page)
        assert StarPlan.objects.filter(valid_from=day(8)).count() == 0
        ann.confirms(path, page, gaps_accepted="yes")
        assert StarPlan.objects.filter(valid_from=day(8)).count() == 1

    def test_deleting_the_following_plan_leaves_a_gap(self, future):
        change_plans_in_force(5, valid_to=day(4))
        chief = Operator("administrator")
        path = f"groups/starplan/{future.pk}/delete/"
        page = chief.page(path)
        assert f"5★ {day(5)} –" in page
        chief.confirms(path, page)
        assert StarPlan.objects.filter(pk=future.pk).exists()
        chief.confirms(path, page, gaps_accepted="yes")
        assert not StarPlan.objects.filter(pk=future.pk).exists()


def test_a_proposal_posts_nothing_to_the_ledger(ann):
    user = UserFactory()
    rated_group(5, user=user)
    ann.saves(ADD, ann.opens(ADD), **plan("2.00"))
    assert not LedgerTransaction.objects.exists()
