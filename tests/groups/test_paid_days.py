"""The paid days of groups, as operators see them and as the database stores them."""

import re
from uuid import UUID

import pytest
from django.db import IntegrityError, transaction

from config.platform import db
from groups.models import PaidDays
from tests.factories.people import GroupFactory
from tests.support.admin_pages import Operator
from tests.support.settlement import settle_yesterday

pytestmark = pytest.mark.django_db


def pages_of_rows() -> dict[UUID, str]:
    """Return the page of the table on which each group's row lies."""
    return dict(db.rows("SELECT group_id, split_part(ctid::text, ',', 1) FROM groups_paiddays"))


@pytest.mark.parametrize("days", [0, 12])
def test_operators_see_the_paid_days_in_the_list_and_on_the_page_of_a_group(days: int):
    group, root = GroupFactory(settle_count=days), Operator()
    assert f'<td class="field-paid_day_count">{days}</td>' in root.page("groups/group/")
    page = re.sub(r">\s+<", "><", root.page(f"groups/group/{group.pk}/change/"))
    assert f'<label>已结算天数：</label><div class="readonly">{days}</div>' in page


def test_an_export_of_groups_has_the_paid_days():
    group = GroupFactory(settle_count=12)
    body = {"action": "export", "_selected_action": [str(group.pk)]}
    response = Operator().http.post("/admin/groups/group/", body)
    titles, row = b"".join(response.streaming_content).decode("utf-8-sig").splitlines()
    assert dict(zip(titles.split(","), row.split(","), strict=True))["已结算天数"] == "12"


def test_the_database_stores_no_negative_number_of_paid_days():
    group = GroupFactory(settle_count=1)
    with pytest.raises(IntegrityError, match="day_count_check"), transaction.atomic():
        PaidDays.objects.filter(group=group).update(day_count=-1)


def test_counting_a_day_of_all_groups_touches_no_index():
    """A version of a row on the page of the row before needs no entry in an index (a heap-only tuple)."""
    GroupFactory.create_batch(200, star=5, settle_count=1)
    before = pages_of_rows()
    settle_yesterday()
    assert set(PaidDays.objects.values_list("day_count", flat=True)) == {2}
    assert pages_of_rows() == before
