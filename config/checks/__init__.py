"""Checks of `manage.py check --deploy` for unsafe settings and for unreachable outside systems.

Outside the embedded mode the web server, the workers and the senders also refuse to start with such a setting
(`require_sound_settings`).
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from django.conf import settings
from django.core.checks import ERROR, CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured

from config.checks import addresses, limits
from config.platform.embedded_mode import EMBEDDED_KEY
from config.platform.signatures import secret_keys

API_V3_KEY_LENGTH = 32


@register(Tags.security, deploy=True)
def access(app_configs: Sequence[Any] | None, **_: Any) -> list[CheckMessage]:
    """Check for default secrets, open endpoints and unrestricted hosts."""
    found: list[CheckMessage] = []
    if settings.EMBEDDED:
        found.append(
            Error(
                "The embedded mode is for one machine.", hint="Set DATABASE_URL and REDIS_URL.", id="wxrobot.E001"
            )
        )
    if any(key.startswith(EMBEDDED_KEY) for key in secret_keys()):
        text = "SECRET_KEY, or one of SECRET_KEY_FALLBACKS, is one of the embedded mode."
        found.append(Error(text, hint="Set SECRET_KEY, and remove that one.", id="wxrobot.E002"))
    if settings.DEBUG:
        found.append(Error("DEBUG shows secrets to strangers.", hint="Unset DEBUG.", id="wxrobot.E003"))
    if not settings.ENFORCE_AUTH:
        found.append(Error("Service endpoints are open.", hint="Set ENFORCE_AUTH=1.", id="wxrobot.E004"))
    if not settings.OPERATOR_TWO_FACTOR:
        hint = "Unset OPERATOR_TWO_FACTOR."
        found.append(Error("A password alone opens the admin.", hint=hint, id="wxrobot.E009"))
    if not settings.ALLOWED_HOSTS or not all(map(addresses.is_host_of_ours, settings.ALLOWED_HOSTS)):
        hint = "Set ALLOWED_HOSTS to your host names, with commas between."
        found.append(Error("ALLOWED_HOSTS must name your hosts, and no others.", hint=hint, id="wxrobot.E005"))
    if not all(map(_is_strong_secret_key, secret_keys())):
        text = "SECRET_KEY must be 50 random characters or more, and so must each of SECRET_KEY_FALLBACKS."
        found.append(Error(text, hint="Set SECRET_KEY.", id="wxrobot.E011"))
    if settings.SECURE_PROXY_SSL_HEADER and not settings.TRUSTED_PROXIES:
        text = "Behind a proxy every visitor has the proxy's address: throttles would shut out all at once."
        found.append(Error(text, hint="Set TRUSTED_PROXIES to the number of proxies in front.", id="wxrobot.E010"))
    if urlsplit(settings.REDIS_URL).port == 1:
        found.append(Error("REDIS_URL is missing.", hint="Set REDIS_URL.", id="wxrobot.E008"))
    found += _stores()
    return [*found, *addresses.check_own(), *addresses.check_outside(), *limits.check_limits()]


def _is_strong_secret_key(key: str) -> bool:
    return len(key) >= 50 and len(set(key)) >= 16 and not key.startswith("django-insecure-")


def _stores() -> list[CheckMessage]:
    """Check that the database is PostgreSQL and that servers reached over a network have a password."""
    database, redis = settings.DATABASES["default"], urlsplit(settings.REDIS_URL)
    if database["ENGINE"] != "config.platform.postgresql":
        text = "DATABASE_URL must name a PostgreSQL database: the rules of money are kept there."
        return [Error(text, hint="Set DATABASE_URL=postgres://…", id="wxrobot.E013")]
    is_socket = not database.get("HOST") or str(database["HOST"]).startswith("/")
    weak = {
        "DATABASE_URL": not is_socket and database.get("PASSWORD", "") in ("", "postgres", database.get("USER")),
        "REDIS_URL": redis.scheme != "unix" and not redis.password,
    }
    return [
        Error(f"{name} has no password, or one that everybody tries first.", hint=f"Set {name}.", id="wxrobot.E013")
        for name, is_weak in weak.items()
        if is_weak
    ]


@register(Tags.security, deploy=True)
def origins(app_configs: Sequence[Any] | None, **_: Any) -> list[CheckMessage]:
    """Warn about a client on an origin other than the API's, unless CORS allows it."""
    client, api = _origin(settings.CLIENT_BASE_URL), _origin(settings.PUBLIC_BASE_URL)
    if client == api or client in map(_origin, settings.CORS_ALLOWED_ORIGINS):
        return []
    text = (
        "The mobile client is on another origin: its browser sends the API no cookie, so that nobody can sign in."
    )
    hint = (
        "Serve both on one origin (deploy/nginx.conf), or name the client's in CORS_ALLOWED_ORIGINS if it calls"
        " with a token only."
    )
    return [Warning(text, hint=hint, id="wxrobot.W001")]


def _origin(address: str) -> tuple[str, str]:
    """Return the scheme and the host of an address, with the port unless it is the default of the scheme."""
    parts = urlsplit(address.lower())
    default_port = {"https": ":443", "http": ":80"}.get(parts.scheme, "")
    return parts.scheme, parts.netloc.removesuffix(default_port) if default_port else parts.netloc


@register(Tags.security, deploy=True)
def providers(app_configs: Sequence[Any] | None, **_: Any) -> list[CheckMessage]:
    """Check the secrets that WeChat, payments, SMS and customer service require."""
    missing = {
        "WECHAT_APPS": "sandbox" in settings.WECHAT_APPS
        or not all(map(_is_secret, settings.WECHAT_APPS.values() or [""])),
        "WECHAT_PAY_APP_ID": settings.WECHAT_PAY_APP_ID not in settings.WECHAT_APPS,
        "WECHAT_PAY_CERT_SERIAL": not re.fullmatch("[0-9A-Fa-f]{8,40}", settings.WECHAT_PAY_CERT_SERIAL),
        "WECHAT_PAY_PUBLIC_KEY_ID": settings.WECHAT_PAY_PUBLIC_KEY_ID == "PUB_KEY_ID_SANDBOX",
        "GATEWAY_TOKEN": not _is_secret(settings.GATEWAY_TOKEN),
        "SMS_ACCESS_KEY_SECRET": not _is_secret(settings.SMS_ACCESS_KEY_SECRET),
        "ALIYUN_CS_KEY": not _is_secret(settings.ALIYUN_CS_KEY),
        "WECHAT_PAY_API_V3_KEY": len(settings.WECHAT_PAY_API_V3_KEY) != API_V3_KEY_LENGTH
        or not _is_secret(settings.WECHAT_PAY_API_V3_KEY),
        "WECHAT_PAY_PRIVATE_KEY_FILE": not _is_private_key(settings.WECHAT_PAY_PRIVATE_KEY_FILE),
        "WECHAT_PAY_PUBLIC_KEY_FILE": not _is_public_key(
            settings.WECHAT_PAY_PUBLIC_KEY_ID, settings.WECHAT_PAY_PUBLIC_KEY_FILE
        ),
        "WECHAT_PAY_MORE_KEYS": not all(
            _is_public_key(serial, Path(file)) for serial, file in settings.WECHAT_PAY_MORE_KEYS.items()
        ),
        "IDENTITY_KEYS": not _are_fernet_keys(settings.IDENTITY_KEYS),
    }
    return [
        Error(f"{name} is missing or not usable.", hint=f"Set {name}; see .env.example.", id="wxrobot.E007")
        for name, is_missing in missing.items()
        if is_missing
    ]


def _is_secret(text: str) -> bool:
    """Return whether the text is hard to guess: at least 16 characters, six different ones, not from the sandbox."""
    return len(text) >= 16 and len(set(text)) >= 6 and not text.startswith("sandbox")


def _is_private_key(file: Path) -> bool:
    """Return whether the file is an RSA private key without a passphrase."""
    try:
        return isinstance(serialization.load_pem_private_key(file.read_bytes(), None), RSAPrivateKey)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        return False


def _is_public_key(serial: str, file: Path) -> bool:
    """Return whether the file is an RSA public key, or a certificate with this serial that has not expired."""
    try:
        raw = file.read_bytes()
        if b"BEGIN CERTIFICATE" not in raw:
            return isinstance(serialization.load_pem_public_key(raw), RSAPublicKey)
        certificate = x509.load_pem_x509_certificate(raw)
        has_serial = int(serial, 16) == certificate.serial_number
    except (OSError, ValueError, UnsupportedAlgorithm):
        return False
    return has_serial and certificate.not_valid_after_utc > datetime.now(UTC)


def _are_fernet_keys(keys: Sequence[str]) -> bool:
    try:
        return bool([Fernet(key) for key in keys])
    except ValueError:
        return False


def require_sound_settings() -> None:
    """Refuse to start with a setting that `check --deploy` reports as an error, except in the embedded mode.

    Raises ImproperlyConfigured, whose message lists all of them.
    """
    if settings.EMBEDDED:
        return
    errors = [message for check in (access, providers) for message in check(None) if message.level >= ERROR]
    if errors:
        lines = [f"{error.msg} {error.hint or ''}".strip() for error in errors]
        raise ImproperlyConfigured("\n".join(["These settings would leave a door open:", *lines]))
