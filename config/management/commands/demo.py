"""`manage.py demo`: load the demo world through the public entry points of a running `up`."""

import secrets
from datetime import date, timedelta
from io import StringIO
from typing import Any

import requests
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db.models import OuterRef, Subquery
from django.db.models.functions import Least
from django.utils import timezone
from tqdm import tqdm

from accounts.models import Operator as OperatorRow
from config.backoffice import dashboard
from config.local.demo.clients import Caller, OperatorClient, Unexpected
from config.local.demo.world import DAYS, GROUPS, ROBOTS, USERS, World
from config.models import ApiKey, Scope
from config.platform.dates import day_of
from earnings.models import EarningsRules
from groups.models import Group, StarRating

SCOPES = (Scope.GATEWAY_EVENTS, Scope.STARS_WRITE, Scope.BACKOFFICE_READ, Scope.AUTH_ISSUE)
OPERATOR = "demo"


class Command(BaseCommand):
    help = "Load a demo world (30 users, 3 robots, 42 groups, a week) through HTTP, events and the admin. Safe to repeat."
    requires_system_checks: list[str] = []  # they import all views

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.EMBEDDED:
            raise CommandError(
                "The demo plays with the sandbox: it is for the embedded mode (no DATABASE_URL) only."
            )
        key = self._key()
        url = f"http://127.0.0.1:{settings.PORT}"
        world = World(
            url=url,
            sandbox=Caller(f"http://127.0.0.1:{settings.SANDBOX_PORT}"),
            service=Caller(url, key),
            operator=lambda: self._operator(url),
            settle=self._settle,
            today=day_of(timezone.now()),
        )
        try:
            self._load(world)
        except requests.RequestException as error:
            text = f"No answer from {url}: is 'make run' running? ({type(error).__name__}: {error})"
            raise CommandError(text) from error
        except Unexpected as error:
            raise CommandError(f"The demo stopped: {error}. Run 'manage.py demo' again to go on.") from error
        finally:
            self._revoke_access(key)

    def _load(self, world: World) -> None:
        if world.is_loaded():
            self.stdout.write("The demo world is there already; nothing was changed.")
            return
        EarningsRules.objects.update(settle_from=Least("settle_from", world.today - timedelta(days=DAYS)))
        steps = list(world.steps())
        with tqdm(steps, desc="demo", unit="step", mininterval=0.5) as bar:
            for label, run in bar:
                bar.set_postfix_str(label)
                run()
        dashboard.recompute(at=timezone.now())  # charts opened during the load have stored incomplete past days
        self.stdout.write(
            f"The demo world is there: {USERS} users, {ROBOTS} robots, {GROUPS} groups, a week of income."
        )

    def _settle(self, day: date) -> None:
        """Settle a past day. Ratings are moved back to the binding of their groups, or they would not count for the day."""
        bound_at = Group.objects.filter(pk=OuterRef("group_id")).values("bound_at")
        ratings = StarRating.objects.filter(group__code__startswith="demo-group-")
        ratings.update(rated_at=Least("rated_at", Subquery(bound_at)))
        call_command("settle", f"--date={day}", stdout=StringIO())

    def _key(self) -> str:
        printed = StringIO()
        call_command("create_api_key", OPERATOR, *[f"--scope={scope.value}" for scope in SCOPES], stdout=printed)
        return printed.getvalue().strip()

    def _operator(self, url: str) -> OperatorClient:
        """Return an operator of the demo with a new random password."""
        password = secrets.token_urlsafe(18)
        row = OperatorRow.objects.filter(username=OPERATOR).first()
        if row is None:
            OperatorRow.objects.create_superuser(OPERATOR, password)
        else:
            row.set_password(password)
            row.is_active = True
            row.save(update_fields=["password", "is_active"])
        return OperatorClient(url, OPERATOR, password)

    def _revoke_access(self, key: str) -> None:
        """Revoke the key and deactivate the operator of the demo."""
        ApiKey.objects.filter(prefix=key[:8], name=OPERATOR, revoked_at=None).update(revoked_at=timezone.now())
        OperatorRow.objects.filter(username=OPERATOR).update(is_active=False)
