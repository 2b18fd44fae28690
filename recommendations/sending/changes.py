"""Announces to higher-level packages which messages were sent, skipped or failed, in the transaction of the change."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Protocol

from django.db import transaction

FINAL_STATUSES = ("sent", "skipped", "failed", "uncertain", "canceled")


class ChangeListener(Protocol):
    """Receives changes of the status of deliveries."""

    def is_listening(self) -> bool:
        """Return whether the changes are needed; cheap, because it is called for every chunk of messages."""

    def receive(self, changes: Sequence[tuple[int, str]], *, at: datetime) -> None:
        """Receive the changes of one statement as pairs of delivery and status."""


_listeners: list[ChangeListener] = []


def register_listener(listener: ChangeListener) -> None:
    _listeners.append(listener)


def begin_announcing() -> AbstractContextManager[None]:
    """Return a transaction for a change and its announcement; without listeners, a context manager that does nothing."""
    return transaction.atomic() if any(listener.is_listening() for listener in _listeners) else nullcontext()


def announce(changes: Sequence[tuple[int, str]], *, at: datetime) -> None:
    """Pass the deliveries that reached a final status to the listeners."""
    final = [change for change in changes if change[1] in FINAL_STATUSES]
    for listener in _listeners:
        if final and listener.is_listening():
            listener.receive(final, at=at)
