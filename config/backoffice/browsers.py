"""The common name of a browser, from its User-Agent."""

import re

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

# The first match counts: most browsers also contain the names Chrome or Safari.
_BROWSERS = (
    (_("微信"), re.compile(r"MicroMessenger/(\d+)")),
    ("Edge", re.compile(r"Edg(?:e|A|iOS)?/(\d+)")),
    ("Opera", re.compile(r"OPR/(\d+)")),
    ("QQ", re.compile(r"QQBrowser/(\d+)")),
    ("UC", re.compile(r"UCBrowser/(\d+)")),
    ("Huawei Browser", re.compile(r"HuaweiBrowser/(\d+)")),
    ("Samsung Internet", re.compile(r"SamsungBrowser/(\d+)")),
    ("Firefox", re.compile(r"(?:Firefox|FxiOS)/(\d+)")),
    ("Chrome", re.compile(r"(?:Chrome|CriOS)/(\d+)")),
    ("Safari", re.compile(r"Version/(\d+).* Safari/")),
)
_SYSTEMS = (
    ("HarmonyOS", re.compile(r"HarmonyOS|OpenHarmony")),
    ("Android", re.compile(r"Android")),
    ("iPhone", re.compile(r"iPhone")),
    ("iPad", re.compile(r"iPad")),
    ("Windows", re.compile(r"Windows")),
    ("macOS", re.compile(r"Mac OS X|Macintosh")),
    ("ChromeOS", re.compile(r"CrOS")),
    ("Linux", re.compile(r"Linux")),
)


def browser_name(user_agent: str) -> str:
    """Return for example "Chrome 126, Android", without the parts that are unknown."""
    browsers = ((name, pattern.search(user_agent)) for name, pattern in _BROWSERS)
    browser = next((f"{name} {found[1]}" for name, found in browsers if found), "")
    system = next((name for name, pattern in _SYSTEMS if pattern.search(user_agent)), "")
    return ", ".join(part for part in (browser, system) if part) or gettext("未知浏览器")
