"""The four roles of operators. `migrate` creates them and sets their permissions, which are defined here only.

Superusers have every permission, and only superusers create superusers.
"""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group as Role
from django.contrib.auth.models import Permission
from django.db import connection
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

VIEWER, SUPPORT, FINANCE, ADMINISTRATOR = "viewer", "support", "finance", "administrator"
TITLES = {
    VIEWER: _("查看员：看所有业务页面，不能操作和导出"),
    SUPPORT: _("客服：用户、机器人、群、反馈，可查看提现、账务、投放和群发"),
    FINANCE: _("财务：提现、账务、收益规则"),
    ADMINISTRATOR: _("管理员：全部页面和操作，包括运营人员"),
}


def title_of(name: str) -> str:
    """Return the title of a role, without its purpose."""
    return str(TITLES.get(name, name)).split("：")[0].split(":")[0]


_APPS = {*settings.LOCAL_APPS, "django_celery_beat"}
# Models that only administrators see: keys, operators, the audit log, periodic tasks, erasure requests.
_FOR_ADMINISTRATORS = {
    "apikey",
    "operator",
    "operatorchange",
    "auditentry",
    "periodictask",
    "erasurerequest",
}
_WITHOUT_PAGE = {
    "verificationcode",
    "completionkey",
    "identityhashkey",
    "redpacketopening",
    "endedblock",
    "problemanswer",
    "switchchange",
    "dayfigure",
    "operatorsession",
}

_SUPPORT = {
    "config": "export_lists",
    "accounts": "view_user block_user add_usernote",
    "robots": "view_robot view_robotday view_scan view_friendship view_outboxmessage retry_outboxmessage assign_robot",
    "groups": "view_group add_groupnote cancel_group view_member view_groupmessage view_mention view_groupstatistics"
    " view_canceljob retry_canceljob",
    "keywords": "view_keywordbatch pause_keywordbatch",
    "launches": "view_launch view_delivery view_massmessage stop_massmessage",
    "earnings": "view_withdrawal view_payout view_account view_ledgerentry",
    "feedback": "view_problem answer_problem view_conversation view_forwardedmessage retry_forwardedmessage"
    " view_problemcategory add_problemcategory change_problemcategory"
    " view_standardreply add_standardreply change_standardreply delete_standardreply",
    "integrations": "view_textmessage retry_textmessage"
    " view_sensitiveword add_sensitiveword change_sensitiveword delete_sensitiveword"
    " view_sensitivewordimport undo_sensitivewordimport",
}
_FINANCE = {
    "config": "export_lists",
    "accounts": "view_user add_usernote",
    "groups": "view_group add_groupnote view_starplan add_starplan change_starplan"
    " view_articleprice add_articleprice change_articleprice",
    "earnings": "view_withdrawal review_withdrawal export_money view_account view_ledgertransaction reverse_ledgertransaction"
    " view_ledgerentry view_ledgercheck view_settlementday view_articlereadday view_earningsrules change_earningsrules"
    " view_rulechange decide_rulechange view_payout decide_payout view_payoutpause pause_payouts",
}

# Permissions to pay, to change the amounts paid, or to give such permissions to others.
_MONEY_PERMISSIONS = {
    "config": "add_apikey confirm_apikey",
    "accounts": "add_operator change_operator decide_operatorchange",
    "groups": "add_starplan change_starplan delete_starplan add_articleprice change_articleprice delete_articleprice",
    "earnings": "review_withdrawal reverse_ledgertransaction change_earningsrules decide_rulechange decide_payout"
    " pause_payouts",
}


def _codes(table: dict[str, str]) -> set[tuple[str, str]]:
    return {(app, code) for app, codes in table.items() for code in codes.split()}


def _has_permission(role: str, app: str, model: str, code: str) -> bool:
    if app not in _APPS or model in _WITHOUT_PAGE:
        return False
    if role == ADMINISTRATOR:
        return True
    if role == VIEWER:
        return code == f"view_{model}" and model not in _FOR_ADMINISTRATORS
    return (app, code) in _codes(_SUPPORT if role == SUPPORT else _FINANCE)


def that_move_money() -> set[str]:
    """Return the names of the roles with a permission to pay money or to change the amounts paid."""
    found = Q()
    for app, codes in _MONEY_PERMISSIONS.items():
        found |= Q(permissions__content_type__app_label=app, permissions__codename__in=codes.split())
    return set(Role.objects.filter(found).order_by().values_list("name", flat=True))


def make(**_: Any) -> None:
    """Create the four roles with exactly their permissions. Does nothing while only some apps are migrated."""
    if Permission._meta.db_table not in connection.introspection.table_names():
        return
    known = list(Permission.objects.values_list("pk", "content_type__app_label", "content_type__model", "codename"))
    for name in TITLES:
        role, _created = Role.objects.get_or_create(name=name)
        wanted = {pk for pk, app, model, code in known if _has_permission(name, app, model, code)}
        if wanted != set(role.permissions.values_list("pk", flat=True)):
            role.permissions.set(wanted)
