"""`manage.py hash_identity_cards`: hash the identity cards from before the rule "one card, one account"."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from accounts import identity_hashing


class Command(BaseCommand):
    help = (
        "Hash each identity card and list the users who share a card. They keep it, with a risk hint on their"
        " withdrawals. The command can be repeated; a killed run is continued by the next one."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        hashed = identity_hashing.Hashed()
        with tqdm(total=identity_hashing.without_hash().count(), desc="cards", unit="card", disable=None) as bar:
            for count in identity_hashing.hash_cards(hashed):
                bar.update(count)
        for user, others in hashed.shared:
            self.stdout.write(f"{user} has the card of {', '.join(map(str, others))}.")
        self.stdout.write(f"{hashed.count} cards hashed, {len(hashed.shared)} of them shared.")
        if hashed.unreadable:
            users = ", ".join(map(str, hashed.unreadable))
            raise CommandError(f"No key in IDENTITY_KEYS opens the cards of: {users}.")
