"""Variables of the loyalty program: level, points, and the distance to the next level."""

from collections.abc import Mapping
from typing import Any

from django.db.models import F
from django.db.models.functions import JSONObject

# name after "customer." → where it is read from
LOYALTY_FIELDS: Mapping[str, str | JSONObject] = {
    "points": "loyalty__balance",
    "points_expiring": "loyalty__next_expiry_points",
    "points_expire_on": "loyalty__next_expiry_on",
    "spend_to_next_level": "loyalty__spend_to_next",
    "orders_to_next_level": "loyalty__orders_to_next",
    "loyalty_level": JSONObject(en=F("loyalty__level__name"), zh=F("loyalty__level__name_zh")),
    "next_level": JSONObject(en=F("loyalty__next_level__name"), zh=F("loyalty__next_level__name_zh")),
}


def choose_text(value: Any, language: str) -> Any:
    """Return the text in the language of a message if the value has several, else the value."""
    if not isinstance(value, dict):
        return value
    first, second = (
        (value.get("zh"), value.get("en")) if language.startswith("zh") else (value.get("en"), value.get("zh"))
    )
    return first or second
