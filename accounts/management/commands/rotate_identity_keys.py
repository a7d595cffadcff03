"""`manage.py rotate_identity_keys`: encrypt identity cards under the first of IDENTITY_KEYS, before removing an old key."""

from typing import Any

from cryptography.fernet import InvalidToken
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from accounts import identity_rotation


class Command(BaseCommand):
    help = (
        "Encrypt all identity cards under the first of IDENTITY_KEYS. The command can be repeated, killed and run while the"
        " service runs. Remove the other keys only after it has printed that nothing is left under them."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        resealed = identity_rotation.Resealed()
        with tqdm(total=identity_rotation.with_card().count(), desc="cards", unit="card", disable=None) as bar:
            for count in identity_rotation.reseal_cards(resealed):
                bar.update(count)
        self.stdout.write(f"{resealed.count} cards sealed under the first key.")
        try:
            identity_rotation.reseal_hash_key()
        except InvalidToken as error:
            raise CommandError("No key in IDENTITY_KEYS opens the key of the cards' hashes.") from error
        if resealed.unreadable:
            users = ", ".join(map(str, resealed.unreadable))
            raise CommandError(f"No key in IDENTITY_KEYS opens the cards of: {users}.")
        self.stdout.write("Nothing is left under the other keys.")
