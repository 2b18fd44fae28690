"""The data of a kind of actions, and of a past action from which effects are learned."""

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

    MESSAGE: a message reaches the customer wherever they are, and has a cost. OFFER: it is only seen on a visit to the shop.
    """

    MESSAGE = "message"
    OFFER = "offer"


@dataclass(frozen=True, eq=False)
class PastAction:
    """Something that some customers got and a holdout group did not.

    Attributes:
        kind: the key of its ActionKind. pk, key, name: of the campaign, flow or offer.
        members: SQL that selects customer_id, is_treated, share, since, until and predicted_value: each customer once, in the assigned
            group, if the window is over. share: the probability of the holdout group. Percent signs are doubled.
        size: the approximate number of members.
        find_customers: returns the customers who could get it now; None if it is not running.
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
        noun: name of the type in tables. label: name of the choice in conditions. instruction: a sentence with ``%(name)s``.
        field_label, field_help: of the condition on the key.
        window: how long an action that is only seen on a visit waits for one; None for other kinds.
        list_past: returns the actions to learn from, the newest first.
        find_target: returns the campaign, flow or offer with a key, if it still exists.
        url_name: of its page, whose argument is the primary key.
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
