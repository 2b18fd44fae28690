"""Who is behind each event: one person for all the identifiers that events say are one, and no more than they say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Trace:
    """What one event says about who is behind it; an empty text stands for what it does not say."""

    source_id: int
    message_id: str
    type: str
    occurred_at: datetime
    user_id: str = ""
    anonymous_id: str = ""
    previous_id: str = ""  # of an alias
    device_id: str = ""
    email: str = ""
    phone: str = ""
    traits: Mapping[str, Any] = field(default_factory=dict)  # plain and unsealed personal ones together


@dataclass(frozen=True, slots=True)
class Resolution:
    """Who is behind each trace, and what became known by them."""

    customer_ids: list[int | None]  # aligned with the traces; None where no id says who it is
    created: list[int]
    merges: list[tuple[int, int]]  # (kept, folded)
    conflicts: list[int]  # ids of the IdentityConflict rows that these traces belong to


def resolve_people(*, traces: Sequence[Trace], at: datetime) -> Resolution:
    """Finds or makes the customer of each trace, in the order in which they happened, and links what belongs together."""
    raise NotImplementedError
