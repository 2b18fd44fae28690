"""The shape of a kind of actions, and of an action of the past from which effects are learned."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.db.models import QuerySet
from django.utils.functional import Promise
from psycopg import sql

from customers.identity.models import Customer

type Label = str | Promise


class Pool(StrEnum):
    """Actions whose effects are learned together.

    MESSAGE: a message reaches the customer wherever they are, and has a cost. OFFER: it is seen on a visit of the shop only.
    """

    MESSAGE = "message"
    OFFER = "offer"


@dataclass(frozen=True, eq=False)
class PastAction:
    """Something that some customers got and a holdout group did not.

    Attributes:
        kind: the key of its ActionKind. pk, key, name: of the campaign, flow or offer.
        members: SQL that selects customer_id, is_treated, share, since, until and predicted_value: each customer once, in the group of the
            assignment, whose window is over. share: the probability of the holdout group. Percent signs are doubled.
        size: the number of members, at least about.
        find_customers: returns who could get it now; None if nobody could, because it does not run.
    """

    kind: str
    pool: Pool
    pk: int
    key: str
    name: str
    members: sql.Composable
    size: int
    find_customers: Callable[[datetime], QuerySet[Customer] | None]


@dataclass(frozen=True)
class ActionTarget:
    """The campaign, flow or offer of an action."""

    pk: int
    key: str
    name: str


@dataclass(frozen=True)
class ActionKind:
    """A kind of actions; a new one is a file of this folder with a line in the registry.

    Attributes:
        noun: of the type in tables. label: of the choice in conditions. instruction: a sentence with ``%(name)s``.
        field_label, field_help: of the condition on the key.
        window: of a kind that is only seen on a visit: how long it waits for one.
        list_past: returns the actions to learn from, the newest first.
        find_target: returns the campaign, flow or offer with a key, if it still exists.
        url_name: of its page, which takes its number.
    """

    key: str
    pool: Pool
    noun: Label
    label: Label
    instruction: Label
    field_label: Label
    field_help: Label
    url_name: str
    list_past: Callable[[datetime], Sequence[PastAction]]
    find_target: Callable[[str], ActionTarget | None]
    window: timedelta | None = None
