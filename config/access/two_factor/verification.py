"""Whether a session has passed the second factor, and who needs one."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from config.access.two_factor.devices import has_device
from customers.identity.personal_data.masking import may_see_personal

# The entry of a session, and its values. Only VERIFIED opens the back office to those who need a second factor.
SECOND_FACTOR = "second_factor"
VERIFIED = "verified"
NOT_SET_UP = "not set up"
MISSING = "missing"  # the user has a second factor, and the session was started without it


def requires_two_factor(user: Any) -> bool:
    """Return whether a user must have a second factor: whoever may see personal data, or everyone."""
    return settings.TWO_FACTOR_REQUIRED and (
        settings.TWO_FACTOR_EVERYBODY or user.is_superuser or may_see_personal(user)
    )


def mark_code_accepted(request: HttpRequest) -> None:
    """Note on the request that the log-in that follows has passed the second factor."""
    request.second_factor_accepted = True  # type: ignore[attr-defined]


def find_second_factor(request: HttpRequest, user: Any) -> str:
    """Return the value of a new session. So code that logs a user in without the log-in page does not create a verified session."""
    if getattr(request, "second_factor_accepted", False):
        return VERIFIED
    return MISSING if has_device(user) else NOT_SET_UP


def is_session_verified(request: HttpRequest, user: Any) -> bool:
    """Return whether the user may work in this session: with the second factor, or because none is needed."""
    session = getattr(request, "session", None)
    state = None if session is None else session.get(SECOND_FACTOR)
    return state == VERIFIED or (state == NOT_SET_UP and not requires_two_factor(user))
