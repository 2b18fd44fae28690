"""Announces which messages were sent, skipped or failed to rooms above this one, in the transaction of the change."""

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
    """Return the transaction of a change and its announcement; none is needed while nobody listens."""
    return transaction.atomic() if any(listener.is_listening() for listener in _listeners) else nullcontext()


def announce(changes: Sequence[tuple[int, str]], *, at: datetime) -> None:
    """Pass the deliveries that reached a final status to the listeners."""
    final = [change for change in changes if change[1] in FINAL_STATUSES]
    for listener in _listeners:
        if final and listener.is_listening():
            listener.receive(final, at=at)
