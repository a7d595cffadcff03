"""Money at the border."""

from typing import Any

from rest_framework import serializers

from config.api.fields import MomentField, MoneyNumber, MoneyString, StrictInteger
from earnings.models import Withdrawal


class Profile(serializers.Serializer[Any]):
    """What WeChat told the client about the user who completes the profile."""

    union_id = serializers.CharField(max_length=128)
    head_url = serializers.CharField(max_length=1024, allow_blank=True)
    nick_name = serializers.CharField(max_length=128)
    appid = serializers.CharField(max_length=64)
    open_id = serializers.CharField(max_length=128)


class RedPacket(serializers.Serializer[Any]):
    red_packed = MoneyNumber()


class _Summary(serializers.Serializer[Any]):
    amount = MoneyString()
    balance = MoneyString()
    yesterday_balance = MoneyString()


class Profit(serializers.Serializer[Any]):
    summary = _Summary()


class _SlipDetail(serializers.Serializer[Any]):
    balance = MoneyString()
    slip_type = serializers.IntegerField()


class SlipDay(serializers.Serializer[Any]):
    day = serializers.DateField()
    balance_detail = MoneyString()
    detail = _SlipDetail(many=True)


class Confirmation(serializers.Serializer[Any]):
    """What WeChat's confirmation page needs; only while a transfer waits for the user."""

    withdraw_id = serializers.UUIDField()
    app_id = serializers.CharField()
    mch_id = serializers.CharField()
    package_info = serializers.CharField()


class Wallet(serializers.Serializer[Any]):
    is_withdrawed = serializers.BooleanField(source="has_withdrawn")
    id = serializers.UUIDField()
    user_id = serializers.UUIDField()
    balance_amount = MoneyString(source="available")
    withdrawing_amount = MoneyString(source="withdrawing")
    confirm = Confirmation(required=False)


class WithdrawalRequest(serializers.Serializer[Any]):
    balance = MoneyString()


class _Sort(serializers.Serializer[Any]):
    sort_key = serializers.ChoiceField(choices=["amount", "create_date", "paid_date"])
    value = serializers.ChoiceField(choices=["asc", "desc"])


class WithdrawalFilter(serializers.Serializer[Any]):
    """All optional; ends are inclusive, and a day as an end includes that day."""

    phone = serializers.CharField(max_length=11, required=False)
    amount_begin = MoneyString(required=False)
    amount_end = MoneyString(required=False)
    withdraw_date_begin = MomentField(required=False)
    withdraw_date_end = MomentField(end=True, required=False)
    paid_date_begin = MomentField(required=False)
    paid_date_end = MomentField(end=True, required=False)
    status = StrictInteger(min_value=0, max_value=4, required=False)
    sort = _Sort(required=False)


class ListedWithdrawal(serializers.Serializer[Withdrawal]):
    """A withdrawal in the back office's list; `id` is the user's, as documented."""

    id = serializers.UUIDField(source="user_id")
    phone = serializers.CharField(source="user.phone", allow_null=True)
    amount = MoneyString()
    reason = serializers.SerializerMethodField()
    create_date = serializers.DateTimeField(source="asked_at")
    paid_date = serializers.DateTimeField(source="paid_at", allow_null=True)
    status = serializers.IntegerField()

    def get_reason(self, withdrawal: Withdrawal) -> str | None:
        return withdrawal.reason or None
