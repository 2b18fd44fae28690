"""Classifies errors of a batch: caused by an event, transient, or neither."""

from django.db import DataError, IntegrityError

from customers.events.collector.event_store import is_value_error
from customers.identity.resolution.resolution import ResolutionRaceError

# serialization_failure, deadlock_detected, lock_not_available: another transaction was first, and a retry sees its changes
TRANSIENT_STATES = frozenset({"40001", "40P01", "55P03"})
# errors that the content of a single event can cause; a server that is down or full is not caused by an event
EVENT_ERRORS = (
    DataError,
    IntegrityError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    RecursionError,
)


class AllEventsFailError(Exception):
    """Every event of a batch fails, so no single event is the cause; they stay on the outbox."""

    def __init__(self, events: int, error: Exception) -> None:
        super().__init__(f"All {events} probed events fail, the last with {type(error).__name__}: {error}")


def is_transient(error: Exception) -> bool:
    """Return whether a retry may succeed."""
    return isinstance(error, ResolutionRaceError) or read_sqlstate(error) in TRANSIENT_STATES


def is_event_error(error: Exception) -> bool:
    """Return whether the content of an event may have caused the error."""
    return isinstance(error, EVENT_ERRORS) or is_value_error(error)


def read_sqlstate(error: Exception) -> str:
    """Return the SQLSTATE of a database error; empty for other errors."""
    return getattr(error.__cause__, "sqlstate", None) or ""
