"""Operators with money permissions are created and changed by two administrators, or on the command line."""

from typing import Any

import pytest
from django.contrib.auth.models import Group as Role
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import Operator as OperatorRow
from accounts.models import OperatorChange
from config.models import AuditEntry
from tests.support.admin_pages import Operator
from tests.support.admin_sign_in import PASSWORD, password_form

pytestmark = pytest.mark.django_db
OPERATORS, CHANGES = "accounts/operator", "accounts/operatorchange"
SUBMITTED = "1 条已提交，待另一名管理员在“运营人员变更”里确认后生效"


@pytest.fixture
def fang() -> Operator:
    return Operator("finance", username="fang")


def role(*names: str) -> list[int]:
    return list(Role.objects.filter(name__in=names).values_list("pk", flat=True))


def adds(chief: Operator, *roles: str, **typed: Any) -> str:
    return chief.saves(f"{OPERATORS}/add/", {"username": "puppet", **password_form()}, groups=role(*roles), **typed)


def changes(chief: Operator, operator: Operator, **typed: Any) -> str:
    where = f"{OPERATORS}/{operator.user.pk}/change/"
    return chief.saves(where, chief.opens(where), **typed)


def waiting() -> OperatorChange:
    return OperatorChange.objects.get(status=OperatorChange.Status.WAITING)


def confirms(chief: Operator) -> str:
    return chief.act(CHANGES, "confirm", OperatorChange.objects.latest("pk"))


def puppet() -> OperatorRow | None:
    return OperatorRow.objects.filter(username="puppet").first()


class TestAdding:
    @pytest.mark.parametrize("roles", [("finance",), ("administrator",), ("support", "finance")])
    def test_a_new_operator_with_money_permissions_waits_for_another_administrator(self, ann, roles):
        assert SUBMITTED in adds(ann, *roles)
        assert (puppet(), waiting().asked_by, waiting().kind) == (None, "ann", "add")

    @pytest.mark.parametrize("roles", [(), ("viewer",), ("support", "viewer")])
    def test_others_are_made_at_once(self, ann, roles):
        adds(ann, *roles)
        assert set(puppet().groups.values_list("name", flat=True)) == set(roles)
        assert not OperatorChange.objects.exists()

    def test_another_administrator_confirms(self, ann, bob):
        adds(ann, "finance")
        assert "ann：新建运营人员 puppet 角色 - → finance，启用 否 → 是" in bob.act(
            CHANGES, "confirm", waiting(), confirmed=False
        )
        assert "已确认 1 条" in confirms(bob)
        made = puppet()
        assert (made.is_staff, made.is_superuser, made.check_password(PASSWORD)) == (True, False, True)
        assert [role.name for role in made.groups.all()] == ["finance"]

    def test_the_proposer_cannot_confirm_a_change(self, ann):
        adds(ann, "finance")
        assert "自己提交的或自己账号的变更，要由另一名管理员确认" in confirms(ann)
        assert puppet() is None

    @pytest.mark.parametrize("name", ["finance", "support", "viewer"])
    def test_only_administrators_see_and_confirm_it(self, ann, name):
        adds(ann, "finance")
        assert Operator(name).http.get(f"/admin/{CHANGES}/").status_code == 403
        confirms(Operator(name))
        assert puppet() is None

    @pytest.mark.parametrize("who", ["ann", "bob"])
    def test_either_refuses_it_with_a_reason(self, request, ann, who):
        adds(ann, "finance")
        page = request.getfixturevalue(who).act(CHANGES, "refuse", waiting(), reason="没有这个人")
        assert "已拒绝 1 条" in page
        change = OperatorChange.objects.get()
        assert (change.status, change.reason, change.password) == (OperatorChange.Status.REFUSED, "没有这个人", "")
        assert "已经处理" in confirms(Operator())
        assert puppet() is None

    def test_a_name_that_was_given_meanwhile_is_refused(self, ann, bob):
        adds(ann, "finance")
        OperatorRow.objects.create(username="puppet", is_staff=True)
        assert "该登录名已被使用" in confirms(bob)
        assert waiting().username == "puppet"

    def test_one_name_is_proposed_once(self, ann, bob):
        adds(ann, "finance")
        assert "该运营人员已有同样的变更待确认：puppet" in adds(bob, "finance")
        assert waiting().asked_by == "ann"

    def test_a_form_with_mistakes_proposes_nothing(self, ann):
        assert "errorlist" in adds(ann, "finance", password2="other")
        assert not OperatorChange.objects.exists()

    def test_both_steps_are_in_the_audit_log_without_the_password(self, ann, bob):
        adds(ann, "finance")
        confirms(bob)
        entries = AuditEntry.objects.filter(table_name="accounts_operatorchange").order_by("id")
        assert [(entry.actor, entry.action) for entry in entries] == [("ann", "I"), ("bob", "U")]
        assert entries[0].changes["password"] == ["•••", "•••"]
        assert entries[1].changes["password"] == ["•••", "•••"]

    def test_the_dashboard_shows_waiting_changes(self, ann, bob):
        adds(ann, "finance")
        assert "<strong>1</strong><span>待确认的运营人员变更</span>" in bob.page("")


class TestRights:
    def test_a_role_that_moves_money_waits(self, ann, bob):
        clerk = Operator("support", username="clerk")
        assert SUBMITTED in changes(ann, clerk, groups=role("support", "finance"))
        assert set(clerk.user.groups.values_list("name", flat=True)) == {"support"}
        assert "角色 support → finance、support" in bob.page(f"{CHANGES}/")
        confirms(bob)
        assert set(clerk.user.groups.values_list("name", flat=True)) == {"support", "finance"}

    def test_one_more_such_role_waits_too(self, ann, fang):
        assert SUBMITTED in changes(ann, fang, groups=role("finance", "administrator"))
        assert set(fang.user.groups.values_list("name", flat=True)) == {"finance"}

    def test_becoming_active_again_waits(self, ann, bob, fang):
        changes(ann, fang, is_active=[])
        fang.user.refresh_from_db()
        assert not fang.user.is_active
        assert SUBMITTED in changes(ann, fang, is_active="on")
        confirms(bob)
        fang.user.refresh_from_db()
        assert fang.user.is_active

    @pytest.mark.parametrize("typed", [{"groups": []}, {"is_active": []}])
    def test_removing_permissions_takes_effect_at_once(self, ann, fang, typed):
        changes(ann, fang, **typed)
        fang.user.refresh_from_db()
        assert fang.user.is_active == ("is_active" not in typed)
        assert fang.user.groups.exists() == ("groups" not in typed)
        assert not OperatorChange.objects.exists()

    def test_rights_that_changed_meanwhile_are_not_overwritten(self, ann, bob):
        clerk = Operator("support")
        changes(ann, clerk, groups=role("finance"))
        clerk.user.groups.clear()
        assert "权限已被修改，请重新提交" in confirms(bob)
        assert not clerk.user.groups.exists()

    def test_a_superuser_is_made_by_two_superusers(self, bob):
        root, clerk = Operator(username="root"), Operator("support")
        assert SUBMITTED in changes(root, clerk, is_superuser="on")
        assert CHANGES in bob.page("")
        assert waiting().username not in bob.page(f"{CHANGES}/")
        confirms(bob)
        clerk.user.refresh_from_db()
        assert not clerk.user.is_superuser
        confirms(Operator())
        clerk.user.refresh_from_db()
        assert clerk.user.is_superuser

    def test_operators_cannot_confirm_their_own_permissions(self, ann, fang):
        changes(ann, fang, groups=role("finance", "administrator"))
        fang.user.groups.add(*role("administrator"))
        assert "自己账号的变更" in confirms(fang)


class TestAccess:
    def sets_password(self, chief: Operator, operator: Operator) -> str:
        return chief.saves(f"{OPERATORS}/{operator.user.pk}/password/", password_form())

    def has_new_password(self, operator: Operator) -> bool:
        operator.user.refresh_from_db()
        return bool(operator.user.check_password(PASSWORD))

    def test_the_password_of_an_operator_with_money_permissions_waits(self, ann, bob, fang):
        assert SUBMITTED in self.sets_password(ann, fang)
        assert not self.has_new_password(fang)
        confirms(bob)
        assert (self.has_new_password(fang), OperatorChange.objects.get().password) == (True, "")

    def test_also_while_they_are_not_active(self, ann, fang):
        OperatorRow.objects.filter(pk=fang.user.pk).update(is_active=False)
        self.sets_password(ann, fang)
        assert not self.has_new_password(fang)

    def test_a_password_of_others_is_set_at_once(self, ann):
        clerk = Operator("support")
        self.sets_password(ann, clerk)
        assert self.has_new_password(clerk)

    def test_taking_a_password_away_is_done_at_once(self, ann, fang):
        fang.user.set_password(PASSWORD)
        fang.user.save()
        form = {"usable_password": "false", "unset-password": "yes"}
        ann.saves(f"{OPERATORS}/{fang.user.pk}/password/", form)
        fang.user.refresh_from_db()
        assert not fang.user.has_usable_password()

    def test_a_bad_password_is_not_proposed(self, ann, fang):
        page = ann.saves(f"{OPERATORS}/{fang.user.pk}/password/", {**password_form(), "password2": "other"})
        assert ("errorlist" in page, OperatorChange.objects.exists()) == (True, False)

    def test_the_second_factor_of_an_operator_with_money_permissions_waits(self, ann, bob, fang):
        clerk = Operator("support")
        for operator in (fang, clerk):
            TOTPDevice.objects.create(user=operator.user, confirmed=True)
        page = ann.act(OPERATORS, "reset_second_factor", fang.user, clerk.user, bob.user)
        assert (SUBMITTED in page, "已重置 1 条" in page, "没有设置两步验证" in page) == (True, True, True)
        assert [device.user_id for device in TOTPDevice.objects.all()] == [fang.user.pk]
        confirms(bob)
        assert not TOTPDevice.objects.exists()

    def test_an_administrator_with_access_to_the_other_account_cannot_confirm(self, ann, bob, fang):
        self.sets_password(ann, bob)
        confirms(Operator())
        bob.http.force_login(OperatorRow.objects.get(username="bob"))
        self.sets_password(bob, fang)
        assert "不能共同审批" in confirms(ann)
        assert not self.has_new_password(fang)


class TestOneAdministrator:
    def test_the_page_refers_to_the_command_line(self, ann):
        assert "manage.py operator" in adds(ann, "finance").split("messagelist")[1].split("</ul>")[0]

    def test_with_another_administrator_it_does_not(self, ann, bob):
        assert "manage.py operator" not in adds(ann, "finance").split("messagelist")[1].split("</ul>")[0]

    def test_the_form_shows_it_in_advance(self, ann):
        assert "manage.py operator" in ann.page(f"{OPERATORS}/add/")

    def test_the_command_makes_an_operator_with_roles(self, capsys):
        call_command("operator", "puppet", "--create", "--role", "finance", "--role", "support")
        password = capsys.readouterr().out.split("Password: ")[1].split()[0]
        made = puppet()
        assert (made.is_staff, made.is_superuser, made.check_password(password)) == (True, False, True)
        assert set(made.groups.values_list("name", flat=True)) == {"finance", "support"}
        assert set(AuditEntry.objects.values_list("actor", flat=True)) == {"命令行"}

    def test_the_command_changes_an_operator(self, fang, capsys):
        TOTPDevice.objects.create(user=fang.user, confirmed=True)
        call_command("operator", "fang", "--role", "support", "--new-password", "--reset-second-factor")
        password = capsys.readouterr().out.split("Password: ")[1].split()[0]
        fang.user.refresh_from_db()
        assert fang.user.check_password(password)
        assert [role.name for role in fang.user.groups.all()] == ["support"]
        assert not TOTPDevice.objects.exists()

    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            (["nobody", "--new-password"], "Nobody is called"),
            (["fang", "--create"], "called fang already"),
            (["n" * 65, "--create"], "64"),
            (["fang"], "Say what to do"),
        ],
    )
    def test_the_command_reports_impossible_changes(self, fang, arguments, error):
        with pytest.raises(CommandError, match=error):
            call_command("operator", *arguments)


def test_the_database_refuses_a_change_of_one_person(ann):
    adds(ann, "finance")
    change = OperatorChange.objects.filter(pk=waiting().pk)
    for name in ("ann", "puppet"):
        with pytest.raises(IntegrityError, match="operator_change_is_of_two_people"), transaction.atomic():
            change.update(status=1, decided_at=timezone.now(), decided_by=name, password="")
