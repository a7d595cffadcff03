"""`manage.py erase_user`: erase a user at the user's request."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts import erasure
from accounts.models import User
from config.platform.lookups import has_id


class Command(BaseCommand):
    help = (
        "Erase a user: phone, identity card, name, picture, WeChat ids and messages. Accounting records stay without them."
        " It cannot be undone, and is refused while a withdrawal or payout is open. docs/erasure.md lists the details."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("id", help="the user's id")
        parser.add_argument("--by", default="命令行", help="the author in the audit log")
        parser.add_argument("--gives-up-balance", action="store_true", help="the user agreed to lose the balance")
        parser.add_argument("--yes", action="store_true", help="do not ask for a confirmation")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(has_id(options["id"]), is_staff=False).first()
        if user is None:
            raise CommandError("No user has this id.")
        if not options["yes"] and input(f"Erase {user.pk} for ever? Type the id again: ") != str(user.pk):
            raise CommandError("Nothing was erased.")
        try:
            done = erasure.erase(
                user=user, by=options["by"], at=timezone.now(), gives_up_balance=options["gives_up_balance"]
            )
        except erasure.CannotErase as refusal:
            raise CommandError(refusal.description) from refusal
        self.stdout.write("Erased." if done else "Erased before; what came since is erased too.")
