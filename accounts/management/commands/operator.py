"""`manage.py operator`: create or change an operator on the server, without a second administrator."""

import secrets
from typing import Any

from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import operator_changes
from accounts.models import Operator
from config.backoffice import roles
from config.errors import Conflict
from config.platform import audit


class Command(BaseCommand):
    help = (
        "Create or change an operator: set roles, set a new password, reset the second factor. A password is generated"
        " and printed once. The audit log records the command line as the author."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", help="the name to sign in with")
        parser.add_argument("--create", action="store_true", help="create a new operator with a generated password")
        parser.add_argument("--role", action="append", choices=list(roles.TITLES), help="the new roles; repeatable")
        parser.add_argument("--new-password", action="store_true", help="set a new password")
        parser.add_argument(
            "--reset-second-factor", action="store_true", help="require a new one at the next sign-in"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not (options["create"] or options["role"] or options["new_password"] or options["reset_second_factor"]):
            raise CommandError("Say what to do: --create, --role, --new-password or --reset-second-factor.")
        with audit.acting(by=audit.COMMAND_LINE, via="manage.py operator"):
            operator = self._create(options) if options["create"] else self._change(options)
        names = ", ".join(operator_changes.rights_of(operator)["roles"]) or "none"
        self.stdout.write(f"Operator {operator.username}: roles {names}.")

    def _create(self, options: dict[str, Any]) -> Operator:
        name = options["username"]
        try:
            Operator._meta.get_field("username").clean(name, None)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        rights = {"roles": options["role"] or [], "is_active": True, "is_superuser": False}
        password = secrets.token_urlsafe(12)
        try:
            operator = operator_changes.create_operator(name, rights=rights, password=make_password(password))
        except Conflict as error:
            raise CommandError(f"Somebody is called {name} already.") from error
        self._print(password)
        return operator

    def _change(self, options: dict[str, Any]) -> Operator:
        operator = Operator.objects.filter(username=options["username"]).select_for_update().first()
        if operator is None:
            raise CommandError(f"Nobody is called {options['username']}. Make them with --create.")
        if options["role"]:
            rights = operator_changes.rights_of(operator)
            operator_changes.set_rights(operator, {**rights, "roles": options["role"]})
        if options["reset_second_factor"]:
            operator_changes.reset_second_factors([operator.pk])
        if options["new_password"]:
            password = secrets.token_urlsafe(12)
            operator.set_password(password)
            operator.save(update_fields=["password"])
            self._print(password)
        return operator

    def _print(self, password: str) -> None:
        self.stdout.write(f"Password: {password}   (shown once; change it under 修改密码 after signing in)")
