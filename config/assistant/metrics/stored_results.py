"""Reads the stored results of analytics, and waits a moment for one that is being computed."""

import time
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from config.assistant.caller import ToolError
from customers.analytics.results import ResultState, count_pending, get_result
from customers.warehouse.current_tables import is_export_missing

STEP_SECONDS = 0.25
# beyond this number, questions do not wait for a result, as in REST
MAX_PENDING = 30


def load_result(question: str, parameters: Any, *, now: datetime, wait_seconds: float) -> ResultState:
    """Return the newest result of a question; without one, wait for a moment and return the state.

    Args:
        wait_seconds: how long to wait for the first result.

    Raises:
        ParameterError
        ToolError: nothing was exported yet, so the figures would be wrong.
    """
    if is_export_missing():
        raise ToolError(_("Reports use the data of the nightly export, which has not run yet."))
    state = get_result(question=question, parameters=parameters, now=now)
    end = time.monotonic() + wait_seconds
    if count_pending(now=now) > MAX_PENDING:
        return state
    while state.as_of is None and state.pending_id is not None and time.monotonic() < end:
        time.sleep(STEP_SECONDS)
        state = get_result(question=question, parameters=parameters, now=now)
    return state
