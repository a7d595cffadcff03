"""Serializers of income, withdrawals, reviews and article reads."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.api.fields import (
    DayField,
    IntegerChoiceField,
    ListOrCommasField,
    MomentField,
    MoneyNumberField,
    MoneyStringField,
    NullableStringField,
    StrictIntegerField,
    StrictStringField,
    UUIDStringField,
    yuan_from,
)
from config.api.paging import BACKOFFICE_PAGE_SIZE
from earnings.models import Withdrawal


class Profile(serializers.Serializer[Any]):
    """The WeChat profile of the user who completes the profile."""

    union_id = StrictStringField(max_length=128)
    head_url = NullableStringField(max_length=1024)
    nick_name = NullableStringField(max_length=128)
    appid = StrictStringField(max_length=64)
    open_id = NullableStringField(max_length=128)


class RedPacket(serializers.Serializer[Any]):
    red_packed = MoneyNumberField()


class ReceivedRedPacket(serializers.Serializer[Any]):
    red_packet = MoneyStringField()


class _Summary(serializers.Serializer[Any]):
    amount = MoneyStringField()
    balance = MoneyStringField()
    yesterday_balance = MoneyStringField()


class Profit(serializers.Serializer[Any]):
    summary = _Summary()


class _IncomeDetail(serializers.Serializer[Any]):
    balance = MoneyStringField()
    slip_type = serializers.IntegerField(source="income_type")


class IncomeDay(serializers.Serializer[Any]):
    day = serializers.DateField()
    balance_detail = MoneyStringField()
    detail = _IncomeDetail(many=True)


class Confirmation(serializers.Serializer[Any]):
    """Parameters of WeChat's confirmation page, present only while a transfer waits for the user."""

    withdraw_id = serializers.UUIDField()
    app_id = serializers.CharField()
    mch_id = serializers.CharField()
    package_info = serializers.CharField()


class Wallet(serializers.Serializer[Any]):
    is_withdrawed = serializers.BooleanField(source="has_withdrawn")
    id = serializers.UUIDField()
    user_id = serializers.UUIDField()
    balance_amount = MoneyStringField(source="available")
    withdrawing_amount = MoneyStringField(source="withdrawing")
    confirm = Confirmation(required=False)


class WithdrawalRequest(serializers.Serializer[Any]):
    balance = MoneyStringField()


class _Sort(serializers.Serializer[Any]):
    sort_key = serializers.ChoiceField(choices=["amount", "create_date", "paid_date"])
    value = serializers.ChoiceField(choices=["asc", "desc"])


class WithdrawalFilter(serializers.Serializer[Any]):
    """Optional filters of the list of withdrawals. Both ends of a range are inclusive; a day as an end is whole."""

    phone = StrictStringField(max_length=11, required=False)
    amount_begin = MoneyStringField(required=False)
    amount_end = MoneyStringField(required=False)
    withdraw_date_begin = MomentField(required=False)
    withdraw_date_end = MomentField(end=True, required=False)
    paid_date_begin = MomentField(required=False)
    paid_date_end = MomentField(end=True, required=False)
    status = StrictIntegerField(min_value=0, max_value=4, required=False)
    sort = _Sort(required=False)


class ListedWithdrawal(serializers.Serializer[Withdrawal]):
    """A withdrawal in the back office's list. A review refers to it by `id`."""

    id = serializers.UUIDField(help_text="提现编号，审核时用它")
    phone = serializers.CharField(source="user.phone", allow_null=True)
    amount = MoneyStringField()
    reason = serializers.SerializerMethodField()
    create_date = serializers.DateTimeField(source="asked_at")
    paid_date = serializers.DateTimeField(source="paid_at", allow_null=True)
    status = serializers.IntegerField()

    def get_reason(self, withdrawal: Withdrawal) -> str | None:
        return withdrawal.reason or None


class Review(serializers.Serializer[Any]):
    """A decision about withdrawals, in the form of the old back-office client."""

    APPROVE, REJECT = 1, 2

    withdraw_id = ListOrCommasField(
        child=UUIDStringField(), min_length=1, max_length=BACKOFFICE_PAGE_SIZE, help_text="提现编号，可多个"
    )
    status = IntegerChoiceField(choices=(APPROVE, REJECT), help_text="1 通过，2 拒绝")
    reason = NullableStringField(
        max_length=200, default="", help_text="拒绝原因，用户会看到；不填为“后台审核未通过”"
    )


class SkippedWithdrawal(serializers.Serializer[Any]):
    withdraw_id = serializers.UUIDField()
    reason = serializers.CharField()


class ReviewResult(serializers.Serializer[Any]):
    approved_count = serializers.IntegerField(help_text="已通过，将打款")
    first_approval_count = serializers.IntegerField(help_text="大额，已初审，需另一名运营人员通过")
    rejected_count = serializers.IntegerField(help_text="已拒绝，金额已退回")
    skipped = SkippedWithdrawal(many=True, help_text="没有变化的提现和原因")


MOST_READS_OF_A_GROUP = Decimal(1_000_000)
LONGEST_CODE = 128
SHOWN_IN_AN_ERROR = 10


@extend_schema_field(
    {"type": "object", "additionalProperties": {"type": "string"}, "examples": [{"group-1": "20.14"}]}
)
class ReadAmounts(serializers.Field[dict[str, Decimal], Any, Any, Any]):
    """Yuan per group code, not negative. One field for all, because a report has thousands of values."""

    def to_internal_value(self, data: Any) -> dict[str, Decimal]:
        if not isinstance(data, Mapping) or not data:
            raise serializers.ValidationError("应为群编号和金额的对照，不能为空")
        if not all(reference.isprintable() and 0 < len(reference) <= LONGEST_CODE for reference in data):
            raise serializers.ValidationError(f"群编号应为 1 到 {LONGEST_CODE} 个可见字符，整批未生效")
        amounts = {str(reference): _yuan(value) for reference, value in data.items()}
        bad = [reference for reference, amount in amounts.items() if amount is None]
        if bad:
            shown = "、".join(reference[:64] for reference in bad[:SHOWN_IN_AN_ERROR])
            raise serializers.ValidationError(f"有 {len(bad)} 项不是合法的金额：{shown}，整批未生效")
        return {reference: amount for reference, amount in amounts.items() if amount is not None}


def _yuan(data: Any) -> Decimal | None:
    """Return the amount in yuan, or None when it is invalid."""
    amount = yuan_from(data)
    return amount if amount is not None and 0 <= amount < MOST_READS_OF_A_GROUP else None


class ReadsReport(serializers.Serializer[Any]):
    """The BI system's report of one day."""

    settle_date = DayField()
    data = ReadAmounts()  # type: ignore[assignment]  # the wire name hides Serializer.data


class ReadsSettled(serializers.Serializer[Any]):
    """The credited totals of a report, and the groups that were skipped."""

    settle_date = serializers.DateField(source="day")
    group_count = serializers.IntegerField()
    amount = MoneyStringField(source="owner_total")
    referral_amount = MoneyStringField(source="referral_total")
    unknown_groups = serializers.ListField(child=serializers.CharField(), source="unknown")
    blocked_groups = serializers.ListField(child=serializers.CharField(), source="blocked")
