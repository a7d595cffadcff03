"""`manage.py prepare`: migrate the database and create the first operator and the sandbox's key, before `up` starts."""

import secrets
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.utils import timezone

from accounts.models import User
from config.api.keys import issue_key
from config.local.processes import write_secret
from config.models import ApiKey, Scope, revoke


class Command(BaseCommand):
    help = "Migrate, make the first operator (its password is printed once), give the sandbox its key."

    def handle(self, *args: Any, **options: Any) -> None:
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
