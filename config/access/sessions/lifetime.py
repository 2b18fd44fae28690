"""The start, the activity and the end of a session by time."""

import time
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest

from config.access.log_in import get_request_address
from config.access.sessions.store import ADDRESS, LAST_ACTIVE_AT, SIGNED_IN_AT, USER_AGENT
from config.access.two_factor.verification import SECOND_FACTOR, find_second_factor

ACTIVITY_SECONDS = 60  # activity is stored at most this often, so that most requests write nothing
MAX_USER_AGENT = 300


class TimeOut(StrEnum):
    """Why a session timed out."""

    IDLE = "idle"
    MAX_AGE = "max-age"


def start_session(sender: Any, request: HttpRequest, user: Any, **kwargs: Any) -> None:
    """Note at log-in who signed in, when, from where and with which factors. Without these notes, a session is not accepted."""
    now = int(time.time())
    session = request.session
    session[SIGNED_IN_AT] = session[LAST_ACTIVE_AT] = now
    session[ADDRESS] = get_request_address(request) or None
    session[USER_AGENT] = request.META.get("HTTP_USER_AGENT", "").replace("\0", "")[:MAX_USER_AGENT]
    session[SECOND_FACTOR] = find_second_factor(request, user)


def find_time_out(session: SessionBase, *, now: int) -> TimeOut | None:
    """Return why a session is over; a session without times was not started by a log-in."""
    if now - session.get(SIGNED_IN_AT, 0) >= settings.SESSION_MAX_HOURS * 3600:
        return TimeOut.MAX_AGE
    if now - session.get(LAST_ACTIVE_AT, 0) >= settings.SESSION_IDLE_MINUTES * 60:
        return TimeOut.IDLE
    return None


def record_activity(session: SessionBase, *, now: int) -> None:
    """Store that the session is in use, at most once a minute."""
    if now - session[LAST_ACTIVE_AT] >= ACTIVITY_SECONDS:
        session[LAST_ACTIVE_AT] = now
