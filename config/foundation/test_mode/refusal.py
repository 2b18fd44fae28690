"""Refuses operations that cannot be simulated. Not part of `state`, which Celery reads before Django's apps are loaded."""

from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import PermissionDenied

from config.foundation.test_mode.state import is_test_mode


class UnsupportedInTestMode(PermissionDenied):
    """The operation cannot be simulated, because what it returns would act on live data."""

    default_detail = _(
        "Test keys cannot be used for this operation, because its result would affect live data. Use a live key."
    )
    default_code = "unsupported_in_test_mode"


def require_live_mode() -> None:
    """Refuse an operation that cannot be simulated. Errors: UnsupportedInTestMode."""
    if is_test_mode():
        raise UnsupportedInTestMode
