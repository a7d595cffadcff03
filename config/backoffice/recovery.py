"""Recovery codes of operators: for a sign-in without the authenticator app, each usable once."""

from typing import Any

from django_otp.plugins.otp_static.models import StaticDevice, StaticToken

COUNT = 10
LONGEST_TYPED = 32  # in groups; django-otp keeps at most 16 characters


def renew(operator: Any) -> list[str]:
    """Void the operator's codes and return new ones, which are not shown again. Within a transaction."""
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
    """Return a code as it is kept: people type capitals, and blanks or hyphens between groups."""
    return code.replace(" ", "").replace("-", "").lower()
