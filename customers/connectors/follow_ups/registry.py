"""The registry of what follows an import. Each app registers its step in ``backoffice/shop_follow_up.py``."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.utils.functional import Promise

type FollowUpStatus = Literal["waiting", "running", "done", "failed"]


@dataclass(frozen=True)
class FollowUpState:
    """How far a step is. percent: None if it is not known. text: what it has done, or why it failed."""

    status: FollowUpStatus
    percent: int | None = None
    text: str | Promise = ""


@dataclass(frozen=True)
class FollowUp:
    """A step after an import.

    Attributes:
        task: the Celery task that does it. warm_up_task: one that makes it faster, sent when an import begins.
        read_state: returns the state of the runs that have started since a time.
        url_name: the page with the runs of the task, for users with ``permission``.
        result: returns the page that shows the result, from the customer whose example is shown; "" without one.
    """

    key: str
    label: str | Promise
    task: str
    order: int
    read_state: Callable[[datetime], FollowUpState]
    url_name: str
    permission: str
    result_label: str | Promise = ""
    result: Callable[[int | None], str] = lambda customer_id: ""
    warm_up_task: str = ""


_FOLLOW_UPS: dict[str, FollowUp] = {}


def register_follow_up(follow_up: FollowUp) -> None:
    _FOLLOW_UPS[follow_up.key] = follow_up


def list_follow_ups() -> list[FollowUp]:
    return sorted(_FOLLOW_UPS.values(), key=lambda follow_up: follow_up.order)
