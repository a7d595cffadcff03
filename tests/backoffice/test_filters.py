"""A filter with an invalid value shows no rows and a message: on the page, in exports and in actions."""

from urllib.parse import urlencode

import pytest

from earnings.models import Withdrawal
from tests.factories.money import credit, requested_withdrawal
from tests.factories.people import UserFactory
from tests.support.admin_pages import Operator

pytestmark = pytest.mark.django_db
WHERE = "earnings/withdrawal"


@pytest.fixture
def withdrawal() -> Withdrawal:
    alice = UserFactory(nickname="筛选用户", phone="13800138000", open_id="open-alice")
    credit(alice, "100")
    return requested_withdrawal(alice)


_IMPOSSIBLE = [
    ("asked_at_from", "2026-02-30"),
    ("asked_at_to", "20261128"),
    ("asked_at_from", "2026-W48-6"),
    ("asked_at_to", "0001-01-01"),
    ("amount_from", "abc"),
    ("amount_to", "１"),
    ("amount_from", "1e2"),
    ("amount_from", "0.001"),
]
impossible = pytest.mark.parametrize(("name", "value"), _IMPOSSIBLE)


@impossible
def test_the_page_shows_no_rows_and_the_reason(withdrawal: Withdrawal, name: str, value: str):
    assert "筛选用户" in Operator().page(f"{WHERE}/")
    page = Operator().page(f"{WHERE}/", **{name: value})
    assert "筛选用户" not in page
    assert page.count(f"“{value}”无效，没有显示任何记录") == 1


@impossible
def test_an_export_of_all_holds_nothing(withdrawal: Withdrawal, name: str, value: str):
    form = {"select_across": "1", "action": "export", "_selected_action": [str(withdrawal.pk)]}
    answer = Operator().http.post(f"/admin/{WHERE}/?{urlencode({name: value})}", form, follow=True)
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    assert "筛选用户" not in content.decode()


def test_an_action_on_all_does_nothing(withdrawal: Withdrawal):
    Operator().act(f"{WHERE}?asked_at_from=2026-02-30", "approve", withdrawal, select_across="1")
    withdrawal.refresh_from_db()
    assert withdrawal.status == Withdrawal.Status.TO_REVIEW


@pytest.mark.parametrize(
    "query", [{"asked_at_from": ""}, {"amount_from": " 1.00 "}, {"asked_at_from": "2020-01-01"}]
)
def test_a_valid_or_blank_value_shows_its_rows(withdrawal: Withdrawal, query: dict[str, str]):
    page = Operator().http.get(f"/admin/{WHERE}/", query, follow=True).text
    assert ("筛选用户" in page, "无效" in page) == (True, False)
