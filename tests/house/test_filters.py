"""The filters that an operation documents are the filters that it applies."""

import pytest
from rest_framework.exceptions import ValidationError

from config.api import reading
from earnings.filters import WithdrawalFilters
from earnings.models import Withdrawal
from earnings.serializers import WithdrawalFilter
from feedback.filters import ProblemFilters
from feedback.serializers import ProblemFilter


@pytest.mark.parametrize(
    ("documented", "applied"), [(WithdrawalFilter, WithdrawalFilters), (ProblemFilter, ProblemFilters)]
)
def test_every_documented_filter_is_applied(documented, applied):
    assert set(documented().fields) - {"sort"} == set(applied.base_filters)


def test_a_value_that_a_filter_cannot_compare_with_is_refused():
    with pytest.raises(ValidationError) as refusal:
        reading.filter_rows(Withdrawal.objects.all(), WithdrawalFilters, {"amount_begin": "much"})
    assert set(refusal.value.detail) == {"amount_begin"}
