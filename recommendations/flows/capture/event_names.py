"""The names by which flows compare events: names with the same meaning are one, and case does not matter."""

from customers.events.event_taxonomy import lookup_meaning


def normalize_event(name: str) -> str:
    """Return the meaning of an event name, or the name in lower case for a custom event."""
    return str(lookup_meaning(name) or name.strip().casefold())
