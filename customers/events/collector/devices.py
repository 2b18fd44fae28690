"""Classifies devices as phone, tablet or desktop, by the event's context or its user agent.

Four patterns replace a library: libraries recognize thousands of models and need a new list every few weeks, but only the device
type is needed here. Browser vendors agreed on "Mobi" for phones; Android without it is a tablet; a current iPad
identifies itself as a Macintosh and counts as a desktop.
"""

import re
from enum import StrEnum
from functools import lru_cache


class DeviceType(StrEnum):
    PHONE = "phone"
    TABLET = "tablet"
    DESKTOP = "desktop"


# context.device.type of the SDKs: the operating system of apps, or the device type itself
DEVICE_TYPES: dict[str, DeviceType] = {
    **dict.fromkeys(("ios", "android", "mobile", "phone", "smartphone", "harmonyos"), DeviceType.PHONE),
    "tablet": DeviceType.TABLET,
    **dict.fromkeys(("desktop", "macos", "windows", "linux", "browser", "computer"), DeviceType.DESKTOP),
}
BOT_PATTERN = re.compile(r"bot\b|crawl|spider|slurp|headless|python|curl|wget", re.IGNORECASE)
TABLET_PATTERN = re.compile(r"ipad|tablet|kindle|playbook", re.IGNORECASE)
PHONE_PATTERN = re.compile(r"mobi|iphone|ipod|windows phone|micromessenger", re.IGNORECASE)
DESKTOP_PATTERN = re.compile(r"windows nt|macintosh|x11|cros|linux", re.IGNORECASE)
USER_AGENT_PATTERNS = ((PHONE_PATTERN, DeviceType.PHONE), (DESKTOP_PATTERN, DeviceType.DESKTOP))


@lru_cache(maxsize=4096)
def classify_device(*, type: str, model: str, user_agent: str) -> DeviceType | None:
    """Return the device type; None for bots and if nothing indicates it. Each text may be empty."""
    if BOT_PATTERN.search(user_agent):
        return None
    if is_tablet(model):
        return DeviceType.TABLET
    sdk_type = DEVICE_TYPES.get(type.strip().casefold())
    if sdk_type is not None:
        return sdk_type
    if is_tablet(user_agent):
        return DeviceType.TABLET
    for pattern, device_type in USER_AGENT_PATTERNS:
        if pattern.search(user_agent):
            return device_type
    return None


def is_tablet(text: str) -> bool:
    """Return whether a user agent or model is a tablet's: only on phones, "mobile" follows the name Silk or Android."""
    lowered = text.lower()
    return (
        TABLET_PATTERN.search(text) is not None
        or lowered.rfind("silk") > lowered.rfind("mobile")
        or lowered.rfind("android") > lowered.rfind("mobi")
    )
