"""Breakdowns: a label for each event or customer, the most frequent ones by name and the rest as one group."""

from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir
from django.utils.translation import gettext as _

from customers.analytics.expressions.matching import build_property, check_property
from customers.analytics.expressions.parameters import ParameterError, require_between, require_one_of
from customers.analytics.expressions.tables import AnalyticsTables

CUSTOMER_PROPERTIES = ("stage", "cluster", "language", "city")
MAX_GROUPS = 50


@dataclass(frozen=True, kw_only=True)
class Breakdown:
    """What results are split by.

    Attributes:
        kind: event (a property of the event), customer (stage, cluster, language or city) or segment (member or not).
        name: of the property, or the key of the segment.
        limit: the number of groups by size; the others are one group.
    """

    kind: str = "event"
    name: str = ""
    limit: int = 10

    def __post_init__(self) -> None:
        require_one_of("kind", self.kind, ("event", "customer", "segment"))
        require_between("limit", self.limit, 1, MAX_GROUPS)
        if self.kind == "event":
            check_property("name", self.name)
        elif self.kind == "customer":
            require_one_of("name", self.name, CUSTOMER_PROPERTIES)
        elif not self.name:
            raise ParameterError("name", _("empty; use the key of a segment."))


@dataclass(frozen=True, kw_only=True)
class GroupKey:
    """A group of a breakdown: a label, those without one (None), or all other labels together."""

    label: str | None = None
    is_other: bool = False


def add_event_label(rows: ir.Table, breakdown: Breakdown | None, tables: AnalyticsTables) -> ir.Table:
    """Return events with a ``label``."""
    if breakdown is None:
        return rows.mutate(label=ibis.null("string"))
    if breakdown.kind == "event":
        return rows.mutate(label=build_property(rows, breakdown.name, tables.engine))
    return add_customer_label(rows, breakdown, tables)


def add_customer_label(rows: ir.Table, breakdown: Breakdown, tables: AnalyticsTables) -> ir.Table:
    """Return rows with the ``label`` of their customer."""
    if breakdown.kind == "segment":
        members = tables.read_members(breakdown.name).select(member_id="customer_id").distinct()
        joined = rows.left_join(members, rows.customer_id == members.member_id)
        label = ibis.ifelse(joined.member_id.notnull(), "member", "not_member")
        return joined.mutate(label=label).select(*rows.columns, "label")
    labels = tables.read_labels(breakdown.name).select(labelled_id="customer_id", label="label")
    joined = rows.left_join(labels, rows.customer_id == labels.labelled_id)
    return joined.select(*rows.columns, "label")


def add_group(rows: ir.Table, weight: ir.NumericColumn | None, limit: int) -> ir.Table:
    """Return rows with ``is_other``, and ``label`` NULL for all labels but those with the largest total weight.

    The weight is summed over the rows of a label, or they are counted without one; equal sums are ordered by label.
    """
    totals = rows.group_by("label").agg(weight_of_label=rows.count() if weight is None else weight.sum())
    # rows without a label are a group of their own that is never merged into the others
    named = totals.filter(totals.label.notnull())
    rank = ibis.row_number().over(ibis.window(order_by=[ibis.desc(named.weight_of_label), named.label]))
    top = named.mutate(rank=rank).filter(ibis._.rank < limit).select(top_label="label")
    joined = rows.left_join(top, rows.label == top.top_label)
    is_other = joined.label.notnull() & joined.top_label.isnull()
    return joined.mutate(is_other=is_other, label=ibis.ifelse(is_other, ibis.null("string"), joined.label)).select(
        *rows.columns, "is_other"
    )


def match_group(rows: ir.Table, key: GroupKey) -> ir.Table:
    """Return the rows of one group; ``rows`` is a result of `add_group`."""
    if key.is_other:
        return rows.filter(rows.is_other)
    label = rows.label.isnull() if key.label is None else rows.label == key.label
    return rows.filter(label & ~rows.is_other)


def read_group(row: dict[str, Any]) -> GroupKey:
    """Return the group of a row of results."""
    return GroupKey(label=row["label"], is_other=bool(row["is_other"]))
