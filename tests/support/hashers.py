"""Password hashes of one round, so that a sign-in in a test does not take a third of a second of CPU."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class OneRoundHasher(PBKDF2PasswordHasher):
    """Django's own hasher with one iteration. A started process verifies its hashes, which contain the number."""

    iterations = 1
