"""Describes browsers in words."""

import re

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

# The first pattern that matches wins, because the later ones also match browsers and systems that imitate them.
BROWSERS = [
    (re.compile(r"MicroMessenger/"), gettext_lazy("WeChat")),
    (re.compile(r"Edg(?:e|A|iOS)?/"), "Edge"),
    (re.compile(r"OPR/|Opera"), "Opera"),
    (re.compile(r"SamsungBrowser/"), "Samsung Internet"),
    (re.compile(r"Firefox/|FxiOS/"), "Firefox"),
    (re.compile(r"Chrome/|Chromium/|CriOS/"), "Chrome"),
    (re.compile(r"Safari/"), "Safari"),
]
SYSTEMS = [
    (re.compile(r"iPhone"), "iPhone"),
    (re.compile(r"iPad"), "iPad"),
    (re.compile(r"HarmonyOS"), gettext_lazy("HarmonyOS")),
    (re.compile(r"Android"), "Android"),
    (re.compile(r"Windows"), "Windows"),
    (re.compile(r"Mac OS X|Macintosh"), "macOS"),
    (re.compile(r"CrOS"), "ChromeOS"),
    (re.compile(r"Linux"), "Linux"),
]


def describe_user_agent(user_agent: str) -> str:
    """Return browser and system, for example "Firefox on Windows"."""
    browser = next((str(name) for pattern, name in BROWSERS if pattern.search(user_agent)), "")
    system = next((str(name) for pattern, name in SYSTEMS if pattern.search(user_agent)), "")
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or system or _("Unknown browser")
