"""Recovery codes of operators: single-use codes for a sign-in without the authenticator app."""

from typing import Any

from django_otp.plugins.otp_static.models import StaticDevice, StaticToken

COUNT = 10
LONGEST_TYPED = 32  # with separators between groups; django-otp stores at most 16 characters


def renew(operator: Any) -> list[str]:
    """Delete the operator's codes and create new ones, within a transaction. Returns them; they are not shown again."""
    device, _created = StaticDevice.objects.get_or_create(user=operator, defaults={"name": "recovery"})
    device.token_set.all().delete()
    codes: set[str] = set()
    while len(codes) < COUNT:
        codes.add(StaticToken.random_token())
    StaticToken.objects.bulk_create(StaticToken(device=device, token=code) for code in sorted(codes))
    return sorted(codes)


def count_left(operator: Any) -> int:
    return int(StaticToken.objects.filter(device__user=operator).count())


def as_typed(code: str) -> str:
    """Return a typed code in its stored form: without blanks and hyphens, in lower case."""
    return code.replace(" ", "").replace("-", "").lower()
