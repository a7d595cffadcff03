"""`manage.py prepare`: migrate the database and create the first operator and the sandbox's key, before `up` starts."""

import secrets
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from accounts.models import User
from config.api.keys import issue_key
from config.local.processes import write_secret
from config.models import ApiKey, Scope, revoke


class Command(BaseCommand):
    help = "Migrate, make the first operator (its password is printed once), give the sandbox its key."

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.EMBEDDED:
            _refuse_unknown_migrations()
        call_command("migrate", interactive=False, verbosity=0)
        self._first_operator()
        if settings.EMBEDDED:
            self._sandbox_key()

    def _first_operator(self) -> None:
        if User.objects.filter(is_superuser=True).exists():
            return
        password = secrets.token_urlsafe(12)
        User.objects.create_superuser("admin", password)
        lines = (
            f"The admin:  http://127.0.0.1:{settings.PORT}/admin/",
            "Operator:   admin",
            f"Password:   {password}   (shown once; change it with: manage.py changepassword admin)",
        )
        width = max(map(len, lines))
        box = [
            "┌" + "─" * (width + 2) + "┐",
            *(f"│ {line:<{width}} │" for line in lines),
            "└" + "─" * (width + 2) + "┘",
        ]
        self.stdout.write("\n".join(box))

    def _sandbox_key(self) -> None:
        path = settings.RUN_DIR / "sandbox-key"
        live = ApiKey.objects.filter(name="sandbox", revoked_at=None)
        if path.exists() and live.exists():
            return
        for key in live:
            revoke(key, by=None, at=timezone.now())
        write_secret(path, issue_key("sandbox", [Scope.GATEWAY_EVENTS]))


def _refuse_unknown_migrations() -> None:
    """Raise CommandError for a local database with migrations of ours that this version does not have.

    Migrations were squashed before the first release, and a squashed one has the name of an old one: `migrate` would
    take the old tables for the new ones.
    """
    loader = MigrationLoader(connection)
    ours = {(app, name) for app, name in loader.applied_migrations if app in settings.LOCAL_APPS}
    unknown = sorted(f"{app}.{name}" for app, name in ours - set(loader.disk_migrations))
    if unknown:
        text = f"The database in {settings.RUN_DIR} was made by another version ({unknown[0]})."
        raise CommandError(f"{text} Remove this directory, or use another RUN_DIR, and start again.")
