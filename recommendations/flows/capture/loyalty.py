"""The triggers of the loyalty program: names of their signals, whether a signal meets one, and who is about to lose points."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from psycopg import sql

LEVEL, POINTS = "level", "points"  # kinds of signals, which triggers of the database write
POINTS_EXPIRE = sql.SQL(
    "EXISTS (SELECT FROM loyalty_loyaltymember m WHERE m.customer_id = p.customer_id AND m.next_expiry_on <= {day})"
)


def list_signal_names(trigger: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the kinds and names of the signals that start a trigger of this file; none for other triggers."""
    match trigger["kind"]:
        case "loyalty_level":
            return [(LEVEL, trigger["direction"])]
        case "points_earned":
            return [(POINTS, "earned")]
    return []


def is_met(trigger: Mapping[str, Any], kind: str, data: Mapping[str, Any]) -> bool:
    """Return whether a signal of these kinds meets the settings of a trigger."""
    if kind == LEVEL:
        return not trigger.get("level") or data.get("level") == trigger["level"]
    return int(data.get("points", 0)) >= int(trigger["points"])


def build_expiry_condition(trigger: Mapping[str, Any], today: date) -> sql.Composable:
    """Return the SQL condition of the customers whose next points expire within the days of the trigger."""
    return POINTS_EXPIRE.format(day=sql.Literal(today + timedelta(days=trigger["days"])))
