"""Conditions of check constraints about fields that are filled together."""

import pytest
from django.db.models import DateTimeField, Q, Value
from django.utils import timezone

from config.platform.constraints import empty, filled, filled_exactly_when, filled_together

pytestmark = pytest.mark.django_db
NOW = timezone.now()
# (reviewed_at, reviewed_by): is each filled?
NOTHING, ONLY_AT, ONLY_BY, BOTH = (None, ""), (NOW, ""), (None, "ann"), (NOW, "ann")


def meets(condition: Q, row: tuple[object, str], **values: object) -> bool:
    """Return whether PostgreSQL finds the condition true of a row."""
    reviewed_at = Value(row[0], output_field=DateTimeField())
    return condition.check({"reviewed_at": reviewed_at, "reviewed_by": row[1], **values})


@pytest.mark.parametrize(("row", "met"), [(NOTHING, False), (ONLY_AT, False), (ONLY_BY, False), (BOTH, True)])
def test_fields_are_filled_when_none_of_them_is_empty(row, met):
    assert meets(filled("reviewed_at", texts=["reviewed_by"]), row) is met


@pytest.mark.parametrize(("row", "met"), [(NOTHING, True), (ONLY_AT, False), (ONLY_BY, False), (BOTH, False)])
def test_fields_are_empty_when_none_of_them_is_filled(row, met):
    assert meets(empty("reviewed_at", texts=["reviewed_by"]), row) is met


@pytest.mark.parametrize(("row", "met"), [(NOTHING, True), (ONLY_AT, False), (ONLY_BY, False), (BOTH, True)])
def test_fields_are_filled_together_or_not_at_all(row, met):
    assert meets(filled_together("reviewed_at", texts=["reviewed_by"]), row) is met


@pytest.mark.parametrize(
    ("status", "row", "met"),
    [
        (0, NOTHING, True),
        (0, ONLY_AT, False),
        (0, BOTH, False),
        (1, NOTHING, False),
        (1, ONLY_BY, False),
        (1, BOTH, True),
    ],
)
def test_fields_are_filled_exactly_when_a_condition_is_true(status, row, met):
    condition = filled_exactly_when(Q(status=1), "reviewed_at", texts=["reviewed_by"])
    assert meets(condition, row, status=status) is met
