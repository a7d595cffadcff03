"""What `manage.py check --deploy` refuses: every setting that would leave a door open or a provider unreachable."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from config.signatures import secret_keys

API_V3_KEY_LENGTH = 32
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@register(Tags.security, deploy=True)
def doors(app_configs: Sequence[Any] | None, **_: Any) -> list[CheckMessage]:
    """Default secrets, open endpoints, any host."""
    found = []
    if settings.EMBEDDED:
        found.append(
            Error(
                "The embedded mode is for one machine.", hint="Set DATABASE_URL and REDIS_URL.", id="wxrobot.E001"
            )
        )
    if any(key.startswith("embedded-only-") for key in secret_keys()):
        text = "SECRET_KEY, or one of SECRET_KEY_FALLBACKS, is the default that everybody knows."
        found.append(Error(text, hint="Set SECRET_KEY, and remove the default.", id="wxrobot.E002"))
    if settings.DEBUG:
        found.append(Error("DEBUG shows secrets to strangers.", hint="Unset DEBUG.", id="wxrobot.E003"))
    if not settings.ENFORCE_AUTH:
        found.append(Error("Service endpoints are open.", hint="Set ENFORCE_AUTH=1.", id="wxrobot.E004"))
    if not settings.OPERATOR_TWO_FACTOR:
        hint = "Unset OPERATOR_TWO_FACTOR."
        found.append(Error("A password alone opens the admin.", hint=hint, id="wxrobot.E009"))
    if "*" in settings.ALLOWED_HOSTS or set(settings.ALLOWED_HOSTS) <= {*_LOOPBACK, "[::1]"}:
        hint = "Set ALLOWED_HOSTS to your host names, with commas between."
        found.append(Error("ALLOWED_HOSTS must name your hosts, and no others.", hint=hint, id="wxrobot.E005"))
    if settings.SECURE_PROXY_SSL_HEADER and not settings.TRUSTED_PROXIES:
        text = "Behind a proxy every visitor has the proxy's address: throttles would shut out all at once."
        found.append(Error(text, hint="Set TRUSTED_PROXIES to the number of proxies in front.", id="wxrobot.E010"))
    if urlsplit(settings.REDIS_URL).port == 1:
        found.append(Error("REDIS_URL is missing.", hint="Set REDIS_URL.", id="wxrobot.E008"))
    return [*found, *_addresses()]


def _addresses() -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for name in ("PUBLIC_BASE_URL", "CLIENT_BASE_URL"):
        parts = urlsplit(getattr(settings, name))
        if parts.scheme != "https" or parts.hostname in _LOOPBACK:
            text = f"{name} goes out in messages and must be a public https address."
            found.append(Error(text, hint=f"Set {name}.", id="wxrobot.E006"))
    for name in ("WECHAT_OAUTH_BASE_URL", "WECHAT_JS_SDK_URL"):
        if urlsplit(getattr(settings, name)).scheme != "https":
            text = f"{name} is where users' browsers go and must be an https address."
            found.append(Error(text, hint=f"Unset {name}.", id="wxrobot.E006"))
    return found


@register(Tags.security, deploy=True)
def origins(app_configs: Sequence[Any] | None, **_: Any) -> list[CheckMessage]:
    """Warn of a client on another origin than the API, unless CORS lets it in."""
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
    """Return the scheme and the host of an address, with the port unless it is the scheme's own."""
    parts = urlsplit(address.lower())
    own_port = {"https": ":443", "http": ":80"}.get(parts.scheme, "")
    return parts.scheme, parts.netloc.removesuffix(own_port) if own_port else parts.netloc


@register(Tags.security, deploy=True)
def providers(app_configs: Sequence[Any] | None, **_: Any) -> list[CheckMessage]:
    """Secrets without which WeChat, payments or customer service cannot work."""
    missing = {
        "WECHAT_APPS": "sandbox" in settings.WECHAT_APPS or not all(settings.WECHAT_APPS.values() or [""]),
        "WECHAT_PAY_APP_ID": settings.WECHAT_PAY_APP_ID not in settings.WECHAT_APPS,
        "GATEWAY_TOKEN": not settings.GATEWAY_TOKEN,
        "SMS_ACCESS_KEY_SECRET": settings.SMS_ACCESS_KEY_SECRET.startswith("sandbox"),
        "ALIYUN_CS_KEY": settings.ALIYUN_CS_KEY.startswith("sandbox"),
        "WECHAT_PAY_API_V3_KEY": len(settings.WECHAT_PAY_API_V3_KEY) != API_V3_KEY_LENGTH
        or settings.WECHAT_PAY_API_V3_KEY.startswith("sandbox"),
        "WECHAT_PAY_PRIVATE_KEY_FILE": not settings.WECHAT_PAY_PRIVATE_KEY_FILE.is_file(),
        "WECHAT_PAY_PUBLIC_KEY_FILE": not _verifies(
            settings.WECHAT_PAY_PUBLIC_KEY_ID, settings.WECHAT_PAY_PUBLIC_KEY_FILE
        ),
        "WECHAT_PAY_MORE_KEYS": not all(
            _verifies(serial, Path(file)) for serial, file in settings.WECHAT_PAY_MORE_KEYS.items()
        ),
        "IDENTITY_KEYS": not _are_fernet_keys(settings.IDENTITY_KEYS),
    }
    return [
        Error(f"{name} is missing or not usable.", hint=f"Set {name}; see .env.example.", id="wxrobot.E007")
        for name, is_missing in missing.items()
        if is_missing
    ]


def _verifies(serial: str, file: Path) -> bool:
    """Return whether this is a public key, or the certificate of this serial that has not ended."""
    try:
        raw = file.read_bytes()
        if b"BEGIN CERTIFICATE" not in raw:
            return isinstance(serialization.load_pem_public_key(raw), RSAPublicKey)
        certificate = x509.load_pem_x509_certificate(raw)
        is_named = int(serial, 16) == certificate.serial_number
    except (OSError, ValueError, UnsupportedAlgorithm):
        return False
    return is_named and certificate.not_valid_after_utc > datetime.now(UTC)


def _are_fernet_keys(keys: Sequence[str]) -> bool:
    try:
        return bool([Fernet(key) for key in keys])
    except ValueError:
        return False
