"""A connection to the server itself, bypassing the pooler that Django's connections may use."""

from typing import Any

import psycopg
from django.db import connection

CONNECT_SECONDS = 3


def is_pooled() -> bool:
    """Return whether Django's connection goes through a pooler in transaction mode."""
    return bool(connection.settings_dict.get("POOLER"))


def open_direct_connection() -> psycopg.Connection[tuple[Any, ...]]:
    """Open a separate session on Django's database. Errors: psycopg.OperationalError."""
    settings = connection.settings_dict
    options = settings.get("OPTIONS", {})
    return psycopg.connect(
        host=settings["HOST"] or None,
        port=settings["PORT"] or None,
        dbname=settings["NAME"],
        user=settings["USER"] or None,
        password=settings["PASSWORD"] or None,
        autocommit=True,
        connect_timeout=CONNECT_SECONDS,
        options=options.get("options") or None,
        target_session_attrs=options.get("target_session_attrs") or None,
        application_name="perennial lock",
    )
