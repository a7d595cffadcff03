"""Each role has its own pages and actions: a table of every page and action."""

import re

import pytest
from django.contrib.auth.models import Group as Role
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config.backoffice import roles
from earnings.models import EarningsRules
from tests.factories.launches import launched
from tests.factories.money import credit, requested_withdrawal, withdrawal_of_new_user
from tests.factories.people import GroupFactory, UserFactory
from tests.support.admin_pages import PAGES, Operator

pytestmark = pytest.mark.django_db
FOR_ADMINISTRATORS = {
    "accounts/operator",
    "accounts/operatorchange",
    "config/apikey",
    "accounts/erasurerequest",
    "config/auditentry",
    "django_celery_beat/periodictask",
}
EXPORTS = {"export", "export_xlsx"}
# page → the permissions of this role there, except viewing and exporting
SUPPORT = {
    "accounts/user": {"block", "unblock", "sign_out", "add_note"},
    "robots/robot": {"make_assignable", "make_unassignable"},
    "robots/robotday": set(),
    "robots/scan": set(),
    "robots/friendship": set(),
    "robots/outboxmessage": {"retry", "close"},
    "groups/group": {"cancel", "add_note"},
    "groups/member": set(),
    "groups/groupmessage": set(),
    "groups/mention": set(),
    "groups/groupstatistics": set(),
    "groups/canceljob": {"retry", "close"},
    "keywords/keywordbatch": {"pause", "resume"},
    "launches/launch": set(),
    "launches/delivery": set(),
    "launches/massmessage": {"stop", "recall"},
    "earnings/withdrawal": set(),
    "earnings/payout": set(),
    "earnings/account": set(),
    "earnings/ledgerentry": set(),
    "feedback/problem": {"answer_them", "close", "take", "release"},
    "feedback/standardreply": {"add", "change", "delete", "delete_selected"},
    "feedback/problemcategory": {"add", "change"},
    "feedback/conversation": set(),
    "feedback/forwardedmessage": {"retry", "close"},
    "integrations/textmessage": {"retry", "close"},
    "integrations/sensitiveword": {"add", "change", "delete", "delete_selected"},
    "integrations/sensitivewordimport": {"undo"},
}
FINANCE = {
    "accounts/user": {"add_note"},
    "groups/group": {"add_note"},
    "groups/starplan": {"add", "change"},
    "groups/articleprice": {"add", "change"},
    "earnings/withdrawal": {"approve", "reject"},
    "earnings/payout": {"decide", "close_contradiction"},
    "earnings/payoutpause": set(),
    "earnings/account": set(),
    "earnings/ledgertransaction": {"reverse"},
    "earnings/ledgerentry": {"reverse_part"},
    "earnings/ledgercheck": set(),
    "earnings/settlementday": set(),
    "earnings/articlereadday": set(),
    "earnings/earningsrules": {"change"},
    "earnings/rulechange": {"confirm", "refuse"},
}
VIEWER = {where: set() for where in PAGES if where not in FOR_ADMINISTRATORS}
TABLE = {"viewer": VIEWER, "support": SUPPORT, "finance": FINANCE}


def can(operator: Operator, where: str) -> set[str]:
    """Return the permissions and actions of this operator on a page, according to the page."""
    request = operator.http.get("/admin/password_change/").wsgi_request
    page = PAGES[where]
    allowed = {verb for verb in ("add", "change", "delete") if getattr(page, f"has_{verb}_permission")(request)}
    return allowed | set(page.get_actions(request)) - EXPORTS


@pytest.mark.parametrize("role", sorted(TABLE))
def test_a_role_sees_its_own_pages_and_does_its_own_work(role: str):
    operator = Operator(role)
    assert {where: operator.sees(f"{where}/") for where in PAGES} == {
        where: 200 if where in TABLE[role] else 403 for where in PAGES
    }
    assert {where: can(operator, where) for where in TABLE[role]} == TABLE[role]


def test_an_administrator_can_do_what_a_superuser_can():
    administrator, root = Operator("administrator"), Operator()
    assert [can(administrator, where) for where in PAGES] == [can(root, where) for where in PAGES]


@pytest.mark.parametrize(
    ("role", "exports"), [("viewer", False), ("support", True), ("finance", True), ("administrator", True)]
)
def test_viewers_cannot_export_lists(role: str, exports: bool):
    operator, user = Operator(role), UserFactory()
    assert ("导出所选为 CSV" in operator.page("accounts/user/")) == exports
    body = {"action": "export", "_selected_action": [str(user.pk)]}
    answer = operator.http.post("/admin/accounts/user/", body)
    assert answer.headers["Content-Type"].startswith("text/csv") == exports


def test_the_menu_shows_a_role_its_own_pages_only():
    shown = set(re.findall(r'href="/admin/(\w+/\w+)/"', Operator("finance").page("")))
    assert shown == set(FINANCE)


def test_only_superusers_make_superusers():
    administrator, root = Operator("administrator"), Operator()
    assert administrator.sees(f"accounts/operator/{root.user.pk}/change/") == 302
    where = f"accounts/operator/{administrator.user.pk}/change/"
    administrator.saves(where, administrator.opens(where), is_superuser="on")
    administrator.user.refresh_from_db()
    assert not administrator.user.is_superuser


def test_an_administrator_makes_an_operator_with_a_role():
    support = Role.objects.get(name="support")
    form = {
        "username": "fang",
        "usable_password": "true",
        "password1": "a-Long-Word-7",
        "password2": "a-Long-Word-7",
    }
    Operator("administrator").http.post("/admin/accounts/operator/add/", {**form, "groups": [support.pk]})
    assert list(support.user_set.values_list("username", "is_staff", "is_superuser")) == [("fang", True, False)]


@pytest.mark.parametrize("role", ["finance", "administrator"])
def test_approvers_cannot_set_the_amount_that_needs_two_approvals(role: str):
    before = EarningsRules.current()
    operator, where = Operator(role), "earnings/earningsrules/1/change/"
    operator.proposes(where, adoption_fee="0.02", second_approval_above="", second_operator_above="")
    after = EarningsRules.current()
    assert (str(after.adoption_fee), after.second_approval_above) == ("0.02", before.second_approval_above)
    assert after.second_operator_above == before.second_operator_above


def test_a_superuser_sets_from_which_amount_two_must_approve():
    root, where = Operator(), "earnings/earningsrules/1/change/"
    root.proposes(where, second_approval_above="300")
    assert EarningsRules.current().second_approval_above == 300


def test_an_operators_name_stays():
    administrator = Operator("administrator", username="wang")
    where = f"accounts/operator/{administrator.user.pk}/change/"
    administrator.saves(where, administrator.opens(where), username="other", groups=[])
    administrator.user.refresh_from_db()
    assert (administrator.user.username, administrator.user.groups.count()) == ("wang", 0)


def test_finance_sees_the_steps_of_a_withdrawal():
    alice = UserFactory(phone="13800138000")
    credit(alice, "20")
    withdrawal = requested_withdrawal(alice)
    assert "提现记录" in Operator("finance").page(f"earnings/withdrawal/{withdrawal.pk}/change/")


def test_support_reads_a_withdrawal_without_deciding_it(support: Operator):
    withdrawal = withdrawal_of_new_user(phone="13800138000")
    page = support.page(f"earnings/withdrawal/{withdrawal.pk}/change/")
    assert "提现记录" in page
    assert 'value="approve"' not in page
    support.act("earnings/withdrawal", "approve", withdrawal)
    withdrawal.refresh_from_db()
    assert withdrawal.status == withdrawal.Status.TO_REVIEW


def test_support_reads_a_launch_without_stopping_it(support: Operator):
    launch = launched(GroupFactory())
    assert 'value="cancel"' not in support.page(f"launches/launch/{launch.pk}/change/")
    support.act("launches/launch", "cancel", launch, reason="x")
    launch.refresh_from_db()
    assert launch.status == launch.Status.RUNNING


def test_support_sees_the_tries_of_a_message_and_the_ratings_of_a_group():
    message = launched(GroupFactory()).deliveries.get().messages().get()
    support = Operator("support")
    assert "发送记录" in support.page(f"robots/outboxmessage/{message.pk}/change/")
    assert "星级记录" in support.page(f"groups/group/{GroupFactory().pk}/change/")


def test_only_operators_who_may_see_the_log_have_a_link_to_it():
    where = f"accounts/user/{UserFactory().pk}/change/"
    assert "/history/" not in Operator("viewer").page(where)
    assert "/history/" in Operator("administrator").page(where)


def test_migrating_again_removes_manually_added_permissions():
    viewer = Role.objects.get(name="viewer")
    before = set(viewer.permissions.values_list("pk", flat=True))
    viewer.permissions.set(Role.objects.get(name="finance").permissions.all())
    roles.make()
    assert set(viewer.permissions.values_list("pk", flat=True)) == before
    with CaptureQueriesContext(connection) as queries:
        roles.make()
    assert len(queries) == 10


def test_nobody_comes_in_without_signing_in():
    operator = Operator("viewer")
    operator.http.logout()
    assert {operator.sees(f"{where}/") for where in PAGES} == {302}


def test_a_user_of_the_platform_is_no_operator():
    operator = Operator("viewer", is_staff=False)
    assert operator.sees("") == 302


@pytest.mark.parametrize("where", ["withdrawal", "payout", "account", "ledgerentry"])
def test_support_reads_lists_of_money_without_exporting_them(where: str):
    page = Operator("support").page(f"earnings/{where}/")
    assert "导出所选" not in page
    assert "导出所选" in Operator("finance").page(f"earnings/{where}/")
