"""Checks of the addresses in the settings: our own, and those of outside systems."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.http.request import validate_host

OWN = ("PUBLIC_BASE_URL", "CLIENT_BASE_URL")
OF_BROWSERS = ("WECHAT_OAUTH_BASE_URL", "WECHAT_JS_SDK_URL")


def outside_names() -> list[str]:
    """Return the names of the settings with the addresses of outside systems."""
    return [name for name in dir(settings) if name.endswith("_BASE_URL") and name not in (*OWN, *OF_BROWSERS)]


def check_own() -> list[CheckMessage]:
    """Check the addresses that users and outside systems receive from us."""
    found: list[CheckMessage] = []
    for name in OWN:
        if not _is_public(getattr(settings, name)):
            text = f"{name} goes out in messages and must be a public https address."
            found.append(Error(text, hint=f"Set {name}.", id="wxrobot.E006"))
    for name in OF_BROWSERS:
        if not _is_public(getattr(settings, name)):
            text = f"{name} is where users' browsers go and must be a public https address."
            found.append(Error(text, hint=f"Unset {name}.", id="wxrobot.E006"))
    host = urlsplit(settings.WECHAT_PAY_NOTIFY_URL).hostname or ""
    if not _is_public(settings.WECHAT_PAY_NOTIFY_URL) or not validate_host(host, settings.ALLOWED_HOSTS):
        text = "WECHAT_PAY_NOTIFY_URL must be a public https address of this service (ALLOWED_HOSTS)."
        found.append(Error(text, hint="Unset WECHAT_PAY_NOTIFY_URL.", id="wxrobot.E006"))
    for origin in settings.CSRF_TRUSTED_ORIGINS:
        parts = urlsplit(origin)
        if parts.scheme != "https" or not is_host_of_ours((parts.hostname or "").removeprefix("*")):
            text = f"CSRF_TRUSTED_ORIGINS may name https origins of yours only, not {origin}."
            found.append(Error(text, hint="Set CSRF_TRUSTED_ORIGINS.", id="wxrobot.E016"))
    return found


def check_outside() -> list[CheckMessage]:
    """Check the addresses that receive secrets and users' texts. Private networks are allowed, this machine is not."""
    found: list[CheckMessage] = []
    for name in outside_names():
        parts = urlsplit(getattr(settings, name))
        if parts.scheme != "https" or _is_this_machine(parts.hostname or ""):
            text = f"{name} gets secrets or people's words and must be an https address of another machine."
            found.append(Error(text, hint=f"Set {name}.", id="wxrobot.E012"))
    return found


def is_host_of_ours(host: str) -> bool:
    """Return whether ALLOWED_HOSTS may contain the host: a name of at least two parts, or a public address.

    A leading dot includes all subdomains.
    """
    name = host.removeprefix(".")
    return "." in name and "*" not in name and _is_public(f"https://{name}")


def _is_public(address: str) -> bool:
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme != "https" or not host or _is_this_machine(host):
        return False
    try:
        return ip_address(host).is_global
    except ValueError:
        return True


def _is_this_machine(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return not host or host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified
