"""Lists the sessions of a user and ends them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from config.access.models import UserSession
from config.access.sessions.connected_programs import disconnect_programs
from config.access.sessions.user_agents import describe_user_agent


@dataclass(frozen=True)
class ActiveSession:
    """A session as a page shows it. Its name is a hash, because anyone who knows the key could use the session."""

    name: str
    device: str
    address: str
    signed_in_at: datetime
    last_active_at: datetime
    is_current: bool


def list_active_sessions(user: Any, *, current_key: str | None = None) -> list[ActiveSession]:
    """Return the sessions that can still be used, the current one first, then by activity."""
    rows = [
        ActiveSession(
            name=_name_session(row.session_key),
            device=describe_user_agent(row.user_agent),
            address=row.address or "",
            signed_in_at=row.signed_in_at,
            last_active_at=row.last_active_at,
            is_current=row.session_key == current_key,
        )
        for row in _filter_active(user).order_by("-last_active_at")
        if row.signed_in_at and row.last_active_at
    ]
    return sorted(rows, key=lambda row: not row.is_current)


def end_sessions(user: Any, *, names: Sequence[str] | None = None, except_key: str | None = None) -> int:
    """End the named sessions of a user, or all of them, except the one with ``except_key``; return how many.

    A request that is still running in an ended session cannot store it again, because Django refuses to save it.
    """
    keys = UserSession.objects.filter(user=user).values_list("session_key", flat=True)
    ended = [key for key in keys if key != except_key and (names is None or _name_session(key) in names)]
    UserSession.objects.filter(session_key__in=ended).delete()
    return len(ended)


def end_sessions_after_password_change(sender: Any, instance: Any, **kwargs: Any) -> None:
    """End all sessions and disconnect all programs of a user whose new password is saved.

    The page on which users change their own password then saves its session again. Whoever knew the old password may have connected a
    program, whose tokens can be renewed without end.
    """
    if instance._password is not None:
        end_sessions(instance)
        disconnect_programs(instance)


def delete_expired_sessions() -> None:
    """Delete the rows that no browser can use any more."""
    UserSession.objects.filter(expire_date__lt=timezone.now()).delete()


def _filter_active(user: Any) -> QuerySet[UserSession]:
    now = timezone.now()
    return UserSession.objects.filter(
        user=user,
        expire_date__gt=now,
        signed_in_at__gt=now - timedelta(hours=settings.SESSION_MAX_HOURS),
        last_active_at__gt=now - timedelta(minutes=settings.SESSION_IDLE_MINUTES),
    )


def _name_session(session_key: str) -> str:
    return sha256(session_key.encode()).hexdigest()[:32]
