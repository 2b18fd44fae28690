"""The columns of a customer profile, declared once.

The table says how a refresh writes them, and how segments, REST and pages show them.
A new column needs its model field with a migration, its line in `PROFILE_COLUMNS`, and a test.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from django.db.models import Field
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from psycopg import sql

from customers.lifecycle.models import CustomerProfile, RfmGroup, Stage

type ConditionGroup = Literal["lifecycle", "orders"]
type ConditionType = Literal["number", "integer", "choice", "text", "datetime", "future_datetime"]
type LineFormat = Literal["integer", "quantity", "money", "date"]


@dataclass(frozen=True)
class SegmentCondition:
    """How a segment condition compares a column.

    low, high: bounds of its numbers. has_unknown: whether "unknown" is also a choice.
    """

    group: ConditionGroup
    type: ConditionType
    low: float | None = None
    high: float | None = None
    choices: tuple[tuple[str, str | Promise], ...] = ()
    has_unknown: bool = False


@dataclass(frozen=True)
class ProfileLine:
    """How the customer page shows a column.

    source: of the facts. newest: the column with the time of the latest fact, if any.
    """

    format: LineFormat
    source: str | Promise
    newest: str = ""


@dataclass(frozen=True)
class ProfileColumn:
    """One column of the profile.

    expression: its value in the SQL of `writer`, with the tables s (stages), c (counters), f (favorites) and v (scores); empty for scores,
    which `ProfileScores` writes. default: its value in SQL in a profile without facts; empty for NULL.
    """

    name: str
    expression: str = ""
    default: str = ""
    is_counter: bool = False
    condition: SegmentCondition | None = None
    line: ProfileLine | None = None

    @property
    def field(self) -> "Field[object, object]":
        return CustomerProfile._meta.get_field(self.name)  # type: ignore[return-value]


RFM_SCORE = SegmentCondition("lifecycle", "integer", low=1, high=5)
RFM_GROUP = SegmentCondition("lifecycle", "choice", choices=tuple(RfmGroup.choices), has_unknown=True)
PROBABILITY = SegmentCondition("lifecycle", "number", low=0, high=1)
COUNT = SegmentCondition("orders", "integer", low=0)
AMOUNT = SegmentCondition("orders", "number")
ORDERS, ORDER_LINES, BOTH, EVENTS = _("orders"), _("order lines"), _("orders and order lines"), _("events")

# In the order in which segments, REST and the customer page list them.
PROFILE_COLUMNS: tuple[ProfileColumn, ...] = (
    ProfileColumn(
        "stage",
        "{stages}[s.stage + 1]",
        f"'{Stage.VISITOR.value}'",
        condition=SegmentCondition("lifecycle", "choice", choices=tuple(Stage.choices)),
    ),
    ProfileColumn("rfm_group", default="''", condition=RFM_GROUP),
    ProfileColumn("r", condition=RFM_SCORE),
    ProfileColumn("f", condition=RFM_SCORE),
    ProfileColumn("m", condition=RFM_SCORE),
    ProfileColumn("rfm_group_window", default="''", condition=RFM_GROUP),
    ProfileColumn("r_window", condition=RFM_SCORE),
    ProfileColumn("f_window", condition=RFM_SCORE),
    ProfileColumn("m_window", condition=RFM_SCORE),
    ProfileColumn("rfm_months", default="0"),
    ProfileColumn("rfm_months_window", default="0"),
    ProfileColumn("value", condition=SegmentCondition("lifecycle", "number")),
    ProfileColumn("cluster", condition=SegmentCondition("lifecycle", "integer", low=0)),
    ProfileColumn("stage_since", "{since}", condition=SegmentCondition("lifecycle", "datetime")),
    ProfileColumn("next_stage_change_at", "{next_change}", condition=SegmentCondition("lifecycle", "future_datetime")),
    ProfileColumn("churn", condition=PROBABILITY),
    ProfileColumn("purchase_7", condition=PROBABILITY),
    ProfileColumn("purchase_30", condition=PROBABILITY),
    ProfileColumn("purchase_90", condition=PROBABILITY),
    ProfileColumn("next_category", default="''", condition=SegmentCondition("lifecycle", "text")),
    ProfileColumn("next_order_reason", default="''"),
    ProfileColumn(
        "orders",
        "c.orders",
        "0",
        is_counter=True,
        condition=COUNT,
        line=ProfileLine("integer", ORDERS, "last_order_at"),
    ),
    ProfileColumn("returns", "c.returns", "0", is_counter=True, condition=COUNT, line=ProfileLine("integer", ORDERS)),
    ProfileColumn(
        "units",
        "c.units",
        "0",
        is_counter=True,
        condition=AMOUNT,
        line=ProfileLine("quantity", ORDER_LINES, "last_order_at"),
    ),
    ProfileColumn("revenue", "c.revenue", "0", is_counter=True, condition=AMOUNT),
    ProfileColumn("orders_window", default="0", condition=COUNT),
    ProfileColumn("revenue_window", default="0", condition=AMOUNT),
    ProfileColumn(
        "discounts",
        "c.discounts",
        "0",
        is_counter=True,
        line=ProfileLine("money", BOTH, "last_order_at"),
    ),
    ProfileColumn(
        "average_order_value",
        "c.average_order_value",
        is_counter=True,
        condition=AMOUNT,
        line=ProfileLine("money", ORDERS, "last_order_at"),
    ),
    ProfileColumn(
        "average_gap_days",
        "c.average_gap_days",
        is_counter=True,
        condition=SegmentCondition("orders", "number", low=0),
    ),
    ProfileColumn(
        "first_order_at",
        "c.first_order_at",
        is_counter=True,
        condition=SegmentCondition("orders", "datetime"),
        line=ProfileLine("date", ORDERS),
    ),
    ProfileColumn(
        "last_order_at", "c.last_order_at", is_counter=True, condition=SegmentCondition("orders", "datetime")
    ),
    ProfileColumn("events", "c.events", "0", is_counter=True, line=ProfileLine("integer", EVENTS, "last_event_at")),
    ProfileColumn("sessions", "c.sessions", "0", is_counter=True, line=ProfileLine("integer", EVENTS, "last_event_at")),
    ProfileColumn("last_event_at", "c.last_event_at", is_counter=True),
    ProfileColumn("favorite_categories", "f.categories", "'[]'"),
    ProfileColumn("favorite_brands", "f.brands", "'[]'"),
    ProfileColumn("favorite_hours", "f.hours", "'[]'"),
    ProfileColumn("computed_at", "{as_of}"),
    ProfileColumn("valued_at", "{as_of}"),
)

COUNTERS = tuple(column.name for column in PROFILE_COLUMNS if column.is_counter)


def make_insert_columns(parts: dict[str, sql.Composable]) -> Iterator[tuple[sql.Identifier, sql.Composable]]:
    """Yield each column that is not a score, with its value.

    parts: values of the names in braces.
    """
    for column in PROFILE_COLUMNS:
        if column.expression:
            yield sql.Identifier(column.name), sql.SQL(column.expression).format(**parts)


def make_default_columns() -> Iterator[tuple[str, str]]:
    """Yield each column that is not NULL in a profile without facts, with its value in SQL."""
    for column in PROFILE_COLUMNS:
        if column.default:
            yield column.name, column.default
