"""Signals of tracking for the apps above sending, which it does not import.

`reactions_stored`: reactions [MessageReaction, …], opens and clicks by people. Sent inside the transaction that stores them; the same
reaction may be reported again after an interruption, with the same key.
"""

from dataclasses import dataclass
from datetime import datetime

from django.dispatch import Signal

from customers.events.event_taxonomy import Meaning

reactions_stored = Signal()


@dataclass(frozen=True)
class MessageReaction:
    """An open or click by a person, as the event that it corresponds to. url: that of a click."""

    key: str
    customer_id: int
    meaning: Meaning
    at: datetime
    url: str = ""
