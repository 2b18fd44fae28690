"""Stores sessions like Django's database store, with their user, address and times in columns of their own."""

from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import SESSION_KEY as USER_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore

from config.access.models import UserSession

# Entries of a session. Times are Unix seconds, because a session is JSON.
SIGNED_IN_AT = "signed_in_at"
LAST_ACTIVE_AT = "last_active_at"
ADDRESS = "address"
USER_AGENT = "user_agent"


class SessionStore(DatabaseStore):
    """Django's store of sessions in the database, whose rows name the user."""

    @classmethod
    def get_model_class(cls) -> type[UserSession]:
        return UserSession

    def create_model_instance(self, data: dict[str, Any]) -> UserSession:
        """Return the row of a session: user, address and times are copies of entries that `start_session` wrote."""
        row = super().create_model_instance(data)
        if not isinstance(row, UserSession):
            raise TypeError(f"{type(row).__name__} is not the model of this store.")
        row.user_id = data.get(USER_KEY)
        row.address = data.get(ADDRESS)
        row.user_agent = data.get(USER_AGENT, "")
        row.signed_in_at = _read_moment(data.get(SIGNED_IN_AT))
        row.last_active_at = _read_moment(data.get(LAST_ACTIVE_AT))
        return row


def _read_moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
