"""Recognizes statements that PostgreSQL stopped because they took too long."""

from django.db import OperationalError

QUERY_CANCELED = "57014"


def is_statement_timeout(error: OperationalError) -> bool:
    """Return whether the statement reached ``statement_timeout``, or was cancelled."""
    return getattr(error.__cause__, "sqlstate", "") == QUERY_CANCELED
