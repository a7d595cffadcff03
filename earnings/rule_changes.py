"""Changes of plans, prices and rules: measured before they apply; large ones are confirmed by a second operator.

Plans and prices begin on a future day, so past days keep theirs. The rules are one row that changes at once, and only
while no past day waits for its settlement: a past day is paid under the rules of that day.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db import models, transaction
from django.db.models import Sum
from django.db.models.functions import Abs, Coalesce
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts import independence
from config.errors import Conflict
from config.platform.dates import day_of
from earnings import settlement
from earnings.ledger import CENT
from earnings.models import ArticleReadDay, EarningsRules, LedgerTransaction, RuleChange, TransactionKind
from groups.models import ArticlePrice, StarPlan
from groups.stars import PlanGap, gaps_in_plans, plans_on

MODELS: dict[str, type[models.Model]] = {
    RuleChange.Target.PLAN: StarPlan,
    RuleChange.Target.PRICE: ArticlePrice,
    RuleChange.Target.RULES: EarningsRules,
}
# Changes of one operator within this time are summed, so that small steps do not bypass the limit.
COUNTED_TOGETHER_WITHIN = timedelta(hours=24)
AVERAGED_DAYS = 7  # days
FIELDS_WITHOUT_PAY = {"settle_from", "second_approval_above", "second_operator_above"}


class ChangedMeanwhile(Conflict):
    message = gettext_noop("这一条已被修改，请重新提交")


class InForce(Conflict):
    message = gettext_noop("已经生效的不能修改或删除，请新增一条从以后的日期开始")


class DaysToSettle(Conflict):
    message = gettext_noop("还有未结算的日期，结算完再修改收益规则")


class AlreadyWaiting(Conflict):
    message = gettext_noop("这一条已有待确认的变更")


@dataclass
class Effect:
    """The payments of one day without and with a change, in yuan."""

    day: date
    stars: list[tuple[str, int, Decimal, Decimal]] = field(default_factory=list)  # (star, groups, before, after)
    parts: list[tuple[str, Decimal, Decimal]] = field(
        default_factory=list
    )  # (label, before, after); the sum is the total
    to_come: tuple[Decimal, Decimal] = (Decimal(0), Decimal(0))
    gaps: list[PlanGap] = field(default_factory=list)  # days without a plan that the change would leave

    @property
    def before(self) -> Decimal:
        return sum((before for _label, before, _after in self.parts), Decimal(0))

    @property
    def after(self) -> Decimal:
        return sum((after for _label, _before, after in self.parts), Decimal(0))

    @property
    def per_night(self) -> Decimal:
        return (self.after - self.before).quantize(CENT)


def values_of(row: models.Model) -> dict[str, str | None]:
    """Return a row as {field: text}."""
    values = {}
    for column in row._meta.concrete_fields:
        if not column.primary_key:
            value = column.to_python(getattr(row, column.attname))
            if isinstance(column, models.DecimalField) and value is not None:
                value = value.quantize(Decimal(1).scaleb(-column.decimal_places))
            values[column.name] = None if value is None else str(value)
    return values


def values_in_place(change: RuleChange, day: date) -> dict[str, str | None] | None:
    """Return the values of the plan or price that is valid on that day without the change."""
    if change.before is not None or change.values is None:
        return None
    if change.target == RuleChange.Target.PLAN:
        row: models.Model | None = plans_on(day).get(int(change.values["star"]))
    else:
        row = ArticlePrice.objects.filter(valid_from__lte=day).first()
    return values_of(row) if row else None


def measure(change: RuleChange, *, at: datetime) -> Effect:
    """Return the payments of the first day under the change, without and with it. Saves nothing."""
    today = day_of(at)
    effect = Effect(_first_day(change, today))
    volumes = _volumes(effect.day)
    snapshots: list[tuple[list[PlanGap], dict[str, Decimal]]] = []

    def take_snapshot() -> None:
        snapshots.append((gaps_in_plans(since=today), _other_payments(*volumes)))

    def apply_change() -> None:
        _apply(change, at=at)
        take_snapshot()

    take_snapshot()
    before, after = settlement.preview_change(effect.day, apply_change, at=at)
    (gaps, paid), (gaps_after, paid_after) = snapshots
    effect.stars = list(_stars(before, after))
    effect.parts = [
        (_("群主"), before.owner_total, after.owner_total),
        (_("活动奖励"), before.bonus_total, after.bonus_total),
        (_("徒弟徒孙"), before.referral_total, after.referral_total),
        *((label, amount, paid_after[label]) for label, amount in paid.items() if amount or paid_after[label]),
    ]
    effect.to_come = before.to_come, after.to_come
    effect.gaps = [gap for gap in gaps_after if gap not in gaps]
    return effect


def submit(change: RuleChange, *, by: str, at: datetime) -> RuleChange:
    """Measure and store a change; apply it at once, or let it wait for a second operator when its effect is large."""
    with transaction.atomic():
        limit = _lock_rules().second_operator_above
        effect = measure(change, at=at)
        change.effect, change.asked_at, change.asked_by = effect.per_night, at, by
        change.needs_second = limit is not None and _changed_alone(by, at) + abs(change.effect) > limit
        if (
            change.row_id
            and RuleChange.objects.filter(
                target=change.target, row_id=change.row_id, status=RuleChange.Status.WAITING
            ).exists()
        ):
            raise AlreadyWaiting
        if not change.needs_second:
            _apply(change, at=at)
            change.status, change.decided_at, change.decided_by = RuleChange.Status.APPLIED, at, by
        change.save()
    return change


def confirm_rule_change(pk: int, *, by: str, at: datetime) -> bool:
    """Apply a waiting change as its second operator.

    Returns False when it is no longer waiting, or when `by` submitted it. Raises accounts.independence.NotIndependent.
    """
    with transaction.atomic():
        _lock_rules()
        change = RuleChange.objects.select_for_update().get(pk=pk)
        if change.status != RuleChange.Status.WAITING or change.asked_by == by:
            return False
        independence.require(by, change.asked_by, at=at)
        _apply(change, at=at)
        change.status, change.decided_at, change.decided_by = RuleChange.Status.APPLIED, at, by
        change.save(update_fields=["status", "decided_at", "decided_by"])
    return True


def refuse_rule_change(pk: int, *, by: str, reason: str, at: datetime) -> bool:
    """Reject a waiting change; its author may withdraw it too. Returns False when it is no longer waiting."""
    waiting = RuleChange.objects.filter(pk=pk, status=RuleChange.Status.WAITING)
    rejected = RuleChange.Status.REJECTED
    return bool(waiting.update(status=rejected, decided_at=at, decided_by=by, reason=reason))


def _lock_rules() -> EarningsRules:
    """Lock the row of rules, so that changes are applied one after the other."""
    return EarningsRules.objects.select_for_update().get(pk=1)


def _changed_alone(by: str, at: datetime) -> Decimal:
    """Return the effect of this operator's recent changes without a second operator, in yuan per night."""
    recent = RuleChange.objects.filter(
        asked_by=by, asked_at__gt=at - COUNTED_TOGETHER_WITHIN, needs_second=False, status=RuleChange.Status.APPLIED
    )
    total: Decimal = recent.aggregate(total=Coalesce(Sum(Abs("effect")), Decimal(0)))["total"]
    return total


def _starts(change: RuleChange) -> list[date]:
    """Return the first days of the row before and after the change. The rules have none."""
    both = (change.before, change.values)
    return [date.fromisoformat(values["valid_from"]) for values in both if values and "valid_from" in values]


def _first_day(change: RuleChange, today: date) -> date:
    """Return the first day that the change affects."""
    return max(today + timedelta(days=1), min(_starts(change), default=today))


def _apply(change: RuleChange, *, at: datetime) -> None:
    model, today = MODELS[change.target], day_of(at)
    row = model._default_manager.select_for_update().filter(pk=change.row_id).first() if change.row_id else model()
    if row is None or (change.before is not None and values_of(row) != change.before):
        raise ChangedMeanwhile
    if model is EarningsRules:
        if _changes_pay(change) and settlement.missed_days(at=at):
            raise DaysToSettle
    elif any(day <= today for day in _starts(change)):
        raise InForce
    if change.values is None:
        row.delete()
        return
    fields = {column.name: column for column in model._meta.concrete_fields}
    for name, text in change.values.items():
        setattr(row, name, None if text is None else fields[name].to_python(text))
    row.full_clean()
    row.save()


def _changes_pay(change: RuleChange) -> bool:
    before, after = change.before or {}, change.values or {}
    return any(before.get(name) != after[name] for name in after.keys() - FIELDS_WITHOUT_PAY)


def _volumes(day: date) -> tuple[int, int, Decimal]:
    """Return the numbers of red packets and adoption fees in the week before that day, and its article reads in yuan."""
    since = day - timedelta(days=AVERAGED_DAYS + 1)
    posted = LedgerTransaction.objects.filter(day__gte=since)
    packets = posted.filter(kind=TransactionKind.RED_PACKET).count()
    fees = posted.filter(kind=TransactionKind.ADOPTION_FEE).count()
    reads: Decimal = ArticleReadDay.objects.filter(day__gte=since).aggregate(
        total=Coalesce(Sum("owner_total"), Decimal(0))
    )["total"]
    return packets, fees, reads


def _other_payments(packets: int, fees: int, reads: Decimal) -> dict[str, Decimal]:
    """Return {label: yuan} of the payments besides the settlement, per day on average of the last week."""
    rules = EarningsRules.current()
    shares = rules.reads_inviter_share + rules.reads_grand_inviter_share
    return {
        _("红包（近 7 天日均）"): packets * (rules.red_packet_min + rules.red_packet_max) / 2 / AVERAGED_DAYS,
        _("领养费（近 7 天日均，每人一个机器人）"): -fees * rules.adoption_fee / AVERAGED_DAYS,
        _("阅读分成（近 7 天日均，最多）"): reads * shares / AVERAGED_DAYS,
    }


def _stars(
    before: settlement.SettlementResult, after: settlement.SettlementResult
) -> Iterator[tuple[str, int, Decimal, Decimal]]:
    old = {star: (count, total) for star, count, total in before.per_star}
    new = {star: (count, total) for star, count, total in after.per_star}
    for star in sorted({*old, *new}, key=lambda star: star or 0):
        count = new.get(star, old.get(star, (0, Decimal(0))))[0]
        name = _("%s 星") % star if star else _("老群")
        yield name, count, old.get(star, (0, Decimal(0)))[1], new.get(star, (0, Decimal(0)))[1]
