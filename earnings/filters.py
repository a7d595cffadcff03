"""The filters of the back office's list of withdrawals, in the names of the old client."""

from django_filters import DateTimeFilter, FilterSet, NumberFilter

from accounts.filters import PhoneFilter
from earnings.models import Withdrawal


class WithdrawalFilters(FilterSet):
    phone = PhoneFilter()
    amount_begin = NumberFilter("amount", "gte")
    amount_end = NumberFilter("amount", "lte")
    withdraw_date_begin = DateTimeFilter("asked_at", "gte")
    withdraw_date_end = DateTimeFilter("asked_at", "lte")
    paid_date_begin = DateTimeFilter("paid_at", "gte")
    paid_date_end = DateTimeFilter("paid_at", "lte")
    status = NumberFilter("status")

    class Meta:
        model = Withdrawal
        fields: tuple[str, ...] = ()
