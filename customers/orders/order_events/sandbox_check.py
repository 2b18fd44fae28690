"""The check of order events that are not processed, because their source is a sandbox."""

from collections.abc import Mapping
from typing import Any

from customers.events.event_taxonomy import Meaning


def check_order_event(properties: Mapping[str, Any], meaning: Meaning, name: str) -> tuple[str, str] | None:
    """Return the code and the text of the error with which processing would reject the event; None if it would not."""
    # only here: every process registers the check at its start, and few call it
    from customers.orders.order_events.event_parsing import OrderEventError, parse_order_event, read_order_id

    try:
        read_order_id(properties, name=name)
        parse_order_event(properties, meaning=meaning, name=name)
    except OrderEventError as error:
        return error.code, error.reason
    return None
