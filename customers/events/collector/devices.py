"""Phone, tablet or desktop: what an event's context says, else what its user agent says.

A rule of four lines instead of a library: those name thousands of models and need a new list every few weeks, and of all they say only
the kind is asked here. "Mobi" is what the browsers' makers agreed on for phones; Android without it is a tablet; an iPad of today calls
itself a Macintosh in a browser and counts as a desktop.
"""

import re
from enum import StrEnum
from functools import lru_cache


class DeviceKind(StrEnum):
    PHONE = "phone"
    TABLET = "tablet"
    DESKTOP = "desktop"


# context.device.type of the SDKs: the system of apps, or the kind itself
TYPES: dict[str, DeviceKind] = {
    **dict.fromkeys(("ios", "android", "mobile", "phone", "smartphone", "harmonyos"), DeviceKind.PHONE),
    "tablet": DeviceKind.TABLET,
    **dict.fromkeys(("desktop", "macos", "windows", "linux", "browser", "computer"), DeviceKind.DESKTOP),
}
BOT = re.compile(r"bot\b|crawl|spider|slurp|headless|python|curl|wget", re.IGNORECASE)
TABLET = re.compile(r"ipad|tablet|kindle|silk(?!.*mobile)|playbook|android(?!.*mobi)", re.IGNORECASE)
PHONE = re.compile(r"mobi|iphone|ipod|windows phone|micromessenger", re.IGNORECASE)
DESKTOP = re.compile(r"windows nt|macintosh|x11|cros|linux", re.IGNORECASE)


@lru_cache(maxsize=4096)
def device_kind(*, type: str, model: str, user_agent: str) -> DeviceKind | None:
    """None where nothing says it, and for programs. Each text may be empty."""
    if BOT.search(user_agent):
        return None
    if TABLET.search(model):
        return DeviceKind.TABLET
    told = TYPES.get(type.strip().casefold())
    if told is not None:
        return told
    for pattern, kind in ((TABLET, DeviceKind.TABLET), (PHONE, DeviceKind.PHONE), (DESKTOP, DeviceKind.DESKTOP)):
        if pattern.search(user_agent):
            return kind
    return None
