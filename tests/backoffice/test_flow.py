"""Ways through the back office: one form of filters, addresses of confirmations, rows' buttons, and where one returns."""

import re
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone

from accounts.models import User
from config.backoffice import navigation
from config.platform import audit
from earnings.models import Withdrawal
from groups.models import Group
from tests.factories.money import withdrawal_of_new_user
from tests.factories.people import GroupFactory, UserFactory
from tests.support.admin_forms import filled_in
from tests.support.admin_pages import PAGES, Operator, shown_phones

pytestmark = pytest.mark.django_db
WITHDRAWALS = "/admin/earnings/withdrawal/"


def asked(operator: Operator, address: str, action: str, *rows: Withdrawal, **form: str) -> str:
    """Choose rows of a list and an action. Returns the address of the confirmation page."""
    body = {"action": action, "_selected_action": [str(row.pk) for row in rows], "index": "0", **form}
    answer = operator.http.post(address, body)
    assert answer.status_code == 302
    return str(answer.url)


class TestConfirmations:
    def test_a_confirmation_has_an_address_and_leads_back_to_the_filtered_list(self, root: Operator):
        row = withdrawal_of_new_user(phone="13800000001")
        where = asked(root, f"{WITHDRAWALS}?status__exact=0", "approve", row)
        page = root.http.get(where).text
        assert "其中待审核 1 条" in page
        assert Withdrawal.objects.get().status == Withdrawal.Status.TO_REVIEW
        answer = root.http.post(f"{WITHDRAWALS}?status__exact=0", filled_in(page, ""))
        assert answer.url == f"{WITHDRAWALS}?status__exact=0"
        assert Withdrawal.objects.get().status == Withdrawal.Status.PAYING

    def test_all_rows_that_match_are_confirmed_by_the_filters_of_the_address(self, root: Operator):
        rows = [withdrawal_of_new_user("50"), withdrawal_of_new_user("50"), withdrawal_of_new_user("20")]
        where = asked(root, f"{WITHDRAWALS}?amount_from=50", "approve", rows[0], select_across="1")
        assert str(rows[0].pk) not in where
        page = root.http.get(where).text
        assert "其中待审核 2 条，共 100.00 元" in page
        root.http.post(f"{WITHDRAWALS}?amount_from=50", {**filled_in(page, ""), "_selected_action": "x"})
        assert Withdrawal.objects.filter(status=Withdrawal.Status.PAYING).count() == 2

    @pytest.mark.parametrize(
        "query",
        [
            "confirm=approve",
            "confirm=approve&_selected_action=no-key",
            "confirm=nothing&_selected_action=1",
            "confirm=export&select_across=1",
            "confirm=approve&select_across=1&status__exact=x",
        ],
    )
    def test_an_address_that_confirms_nothing_opens_the_list(self, root: Operator, query: str):
        withdrawal_of_new_user()
        assert root.http.get(f"{WITHDRAWALS}?{query}", follow=True).redirect_chain

    def test_an_address_confirms_nothing_for_operators_without_the_right(self):
        row = withdrawal_of_new_user()
        viewer = Operator("viewer")
        answer = viewer.http.get(f"{WITHDRAWALS}?confirm=approve&_selected_action={row.pk}")
        assert (answer.status_code, answer.url) == (302, WITHDRAWALS)

    def test_so_many_rows_that_no_address_holds_them_are_asked_at_once(self, root: Operator):
        groups = [GroupFactory() for _ in range(51)]
        body = {"action": "cancel", "_selected_action": [str(row.pk) for row in groups], "index": "0"}
        answer = root.http.post("/admin/groups/group/", body)
        assert answer.status_code == 200
        assert "已选 51 条" in answer.text


class TestReturning:
    def test_after_an_action_one_is_back_on_the_page_of_the_object(self, root: Operator):
        row = withdrawal_of_new_user()
        page_of_row = f"{WITHDRAWALS}{row.pk}/change/?_changelist_filters=status__exact%3D0"
        form = {"action": "approve", "_selected_action": str(row.pk), "next": page_of_row}
        page = root.http.get(root.http.post(WITHDRAWALS, form).url).text
        assert f'href="{page_of_row}" class="button cancel-link"' in page
        assert root.http.post(WITHDRAWALS, filled_in(page, "")).url == page_of_row

    @pytest.mark.parametrize("elsewhere", ["https://evil.example/admin/", "//evil.example/admin/", "/groups"])
    def test_one_never_returns_to_another_site(self, root: Operator, elsewhere: str):
        row = withdrawal_of_new_user()
        form = {"action": "approve", "_selected_action": str(row.pk), "next": elsewhere}
        page = root.http.get(root.http.post(WITHDRAWALS, form).url).text
        assert "next" not in filled_in(page, "")
        assert root.http.post(WITHDRAWALS, {**filled_in(page, ""), "next": elsewhere}).url == WITHDRAWALS

    def test_the_next_of_the_queue_is_one_click_away(self, root: Operator):
        first, second = withdrawal_of_new_user(days_ago=2), withdrawal_of_new_user(days_ago=1)
        filters = "_changelist_filters=status__exact%3D0"
        here = f"earnings/withdrawal/{first.pk}/change/?{filters}"
        following = f'href="{WITHDRAWALS}{second.pk}/change/?{filters}" rel="next"'
        assert following in unescape(root.http.get(f"/admin/{here}").text)
        root.act("earnings/withdrawal/", "approve", first)
        assert following in unescape(root.http.get(f"/admin/{here}").text)
        root.act("earnings/withdrawal/", "approve", second)
        assert 'rel="next"' not in root.http.get(f"/admin/{here}").text


class TestRows:
    def test_a_row_is_acted_on_by_its_own_button(self, root: Operator):
        chosen, _other = withdrawal_of_new_user("50"), withdrawal_of_new_user("20")
        [button] = re.findall(
            rf'name="row_action" value="(approve:{chosen.pk})"', root.page("earnings/withdrawal/")
        )
        page = root.http.post(WITHDRAWALS, {"row_action": button, "index": "0"}, follow=True).text
        assert "其中待审核 1 条，共 50.00 元" in page

    def test_only_what_the_operator_may_do_and_the_row_allows_has_a_button(self, root: Operator):
        row = withdrawal_of_new_user()
        assert "row_action" not in Operator("viewer").page("earnings/withdrawal/")
        root.act("earnings/withdrawal/", "approve", row)
        assert f"approve:{row.pk}" not in root.page("earnings/withdrawal/")


class TestFilters:
    def test_unused_fields_leave_the_address(self, root: Operator):
        answer = root.http.get(WITHDRAWALS, {"q": "", "status__exact": "0", "amount_from": "", "o": ""})
        assert answer.url == f"{WITHDRAWALS}?status__exact=0"

    def test_filters_in_force_are_chips_that_remove_them(self, root: Operator):
        withdrawal_of_new_user("50", phone="13800000001")
        page = unescape(root.page("earnings/withdrawal/", q="0001", status__exact="0", amount_from="50"))
        chips = dict(re.findall(r'<li><a href="([^"]*)" title="去掉这个条件">([^<]*)<', page))
        assert {text: sorted(parse_qs(urlsplit(address).query)) for address, text in chips.items()} == {
            "“0001”": ["amount_from", "status__exact"],
            "状态：待审核": ["amount_from", "q"],
            "金额（元）：从 50": ["q", "status__exact"],
        }

    def test_a_related_list_names_whose_it_is_and_keeps_it_in_the_form(self, root: Operator):
        owner = UserFactory(nickname="李雷")
        group = GroupFactory(user=owner)
        GroupFactory()
        page = root.page("groups/group/", user=owner.pk)
        assert "用户：李雷" in page
        form = filled_in(page, "changelist-search")
        assert form["user"] == [str(owner.pk)]
        listed = root.http.get("/admin/groups/group/", {**form, "served": "1"}, follow=True).text
        assert f"/groups/group/{group.pk}/change/" in listed
        assert listed.count('class="action-select"') == 1

    @pytest.mark.parametrize(("preset", "shown"), [("今天", "1"), ("昨天", "2"), ("近 7 天", "123")])
    def test_a_range_of_days_is_one_click(self, root: Operator, preset: str, shown: str):
        for number, days_ago in ((1, 0), (2, 1), (3, 3)):
            withdrawal_of_new_user(phone=f"1380000000{number}", days_ago=days_ago)
        page = unescape(root.page("earnings/withdrawal/"))
        address = re.findall(rf'<a href="([^"]*asked_at[^"]*)">{preset}</a>', page)[0]
        listed = root.http.get(f"{WITHDRAWALS}{address}").text
        assert shown_phones(listed) == [f"1380000000{number}" for number in shown]

    def test_this_month_begins_on_the_first(self, root: Operator):
        page = unescape(root.page("earnings/withdrawal/"))
        [address] = re.findall(r'<a href="([^"]*asked_at[^"]*)">本月</a>', page)
        today = timezone.localdate()
        query = parse_qs(urlsplit(address).query)
        assert query == {"asked_at_from": [str(today.replace(day=1))], "asked_at_to": [str(today)]}


class TestNavigation:
    def test_every_list_is_in_the_navigation_once(self):
        labels = [label for _title, main, more in navigation.SECTIONS for label in (*main, *more)]
        assert sorted(labels) == sorted(page.replace("/", ".") for page in PAGES)

    def test_it_holds_only_what_the_operator_may_see(self):
        page = Operator("support").page("")
        assert 'href="/admin/groups/group/"' in page
        assert 'href="/admin/config/apikey/"' not in page

    def test_the_sign_in_page_has_none(self, client):
        page = client.get("/admin/login/").text
        assert 'id="side"' not in page
        assert 'id="global-search"' not in page


class TestSearch:
    @pytest.mark.parametrize(
        "spelling",
        ["13912345678", "139 1234 5678", "+86 139-1234-5678", "0086 13912345678", "8613912345678", "(139)12345678"],
    )
    def test_a_phone_is_found_in_any_spelling(self, root: Operator, spelling: str):
        found = UserFactory(phone="13912345678")
        answer = root.http.get("/admin/search/", {"q": spelling})
        assert answer.url == f"/admin/accounts/user/{found.pk}/change/"

    def test_part_of_a_nickname_and_of_a_group_are_found_together(self, root: Operator):
        UserFactory(nickname="大明湖畔")
        GroupFactory(name="明湖团购")
        page = root.page("search/", q="明湖")
        assert ("大明湖畔" in page, "明湖团购" in page) == (True, True)

    def test_a_part_of_a_nickname_is_looked_for_among_the_newest(self, root: Operator, monkeypatch):
        monkeypatch.setattr("config.backoffice.search.PART_LIMIT", 1)
        UserFactory(nickname="大明湖畔")
        newest = UserFactory(nickname="小明湖")
        assert root.http.get("/admin/search/", {"q": "明湖"}).url == f"/admin/accounts/user/{newest.pk}/change/"

    def test_a_withdrawal_is_found_by_its_number(self, root: Operator):
        row = withdrawal_of_new_user()
        for spelling in (str(row.pk), row.pk.hex):
            assert root.http.get("/admin/search/", {"q": spelling}).url == f"{WITHDRAWALS}{row.pk}/change/"

    def test_more_than_ten_are_counted_out(self, root: Operator):
        User.objects.all().update(nickname="root")
        for number in range(12):
            UserFactory(nickname=f"王{number}")
        page = root.page("search/", q="王")
        assert page.count("/admin/accounts/user/") - page.count('href="/admin/accounts/user/"') == 10
        assert "还有更多" in page

    def test_nothing_is_found_that_the_operator_may_not_see(self):
        row = withdrawal_of_new_user(phone="13800000001")
        operator = Operator()
        operator.user.is_superuser = False
        operator.user.save()
        page = operator.page("search/", q=str(row.pk))
        assert "没有找到" in page

    @pytest.mark.parametrize("text", ["", " ", "\x00", "%", "_", "'", "x" * 500, "<script>", "，"])
    def test_any_text_is_answered(self, root: Operator, text: str):
        assert root.http.get("/admin/search/", {"q": text}).status_code == 200


def test_a_button_that_acts_is_pressed_not_opened(root: Operator):
    assert root.http.get("/admin/robots/robot/do/sync/").status_code == 403
    assert root.sees("earnings/payout/do/pause/") == 200


def test_dates_are_short_and_local(root: Operator):
    at = timezone.localtime() - timedelta(days=3)
    GroupFactory(bound_at=at)
    assert f"{at:%Y-%m-%d %H:%M}" in root.page("groups/group/")
    assert Group.objects.count() == 1


def test_a_list_finds_a_phone_in_any_spelling(root: Operator):
    UserFactory(phone="13912345678", nickname="李雷")
    UserFactory(phone="13812345678", nickname="韩梅")
    for spelling in ("+86 139-1234-5678", "139 1234", "(139) 1234"):
        page = root.page("accounts/user/", q=spelling)
        assert ("李雷" in page, "韩梅" in page) == (True, False)


def test_a_pause_of_payouts_is_above_both_lists_and_ends_from_the_home_page(root: Operator):
    assert "打款已暂停：" not in root.page("earnings/payout/")
    root.clicks("earnings/payout", "pause", confirmed="yes", reason="对账")
    for where in ("earnings/payout/", "earnings/withdrawal/"):
        assert "打款已暂停：对账（自" in root.page(where)
    assert 'href="/admin/earnings/payout/do/resume/">恢复打款</a>' in root.page("")


def test_a_block_shows_who_it_is_and_what_is_at_stake(root: Operator):
    withdrawal = withdrawal_of_new_user("50", phone="13800000001", nickname="李雷")
    page = root.act("accounts/user", "block", withdrawal.user, confirmed=False)
    assert "李雷 138****0001" in page
    assert "提现中 50.00 元" in page


def test_a_confirmation_names_who_decided_meanwhile(root: Operator):
    row = withdrawal_of_new_user("50")
    form = {"action": "approve", "_selected_action": str(row.pk)}
    page = root.http.get(root.http.post(WITHDRAWALS, form).url).text
    Operator(username="other").act("earnings/withdrawal", "reject", row, reason="资料不符")
    shown = root.http.post(WITHDRAWALS, filled_in(page, "")).text
    assert "有了变化" in shown
    assert "已拒绝 由 other 于" in shown


@pytest.mark.parametrize("where", ["earnings/ledgertransaction/", "config/auditentry/"])
def test_lists_with_a_search_of_their_own_find_a_phone_in_any_spelling(root: Operator, where: str):
    withdrawal = withdrawal_of_new_user("50", phone="13912345678", nickname="李雷")
    with audit.acting(by="root", via="test"):
        User.objects.filter(pk=withdrawal.user_id).update(channel="x")
    found = [
        root.page(where, q=text).count('class="action-select"') for text in ("13912345678", "+86 139-1234-5678")
    ]
    assert found[0] == found[1] > 0
