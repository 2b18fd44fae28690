"""Splits an outcome by channel, lifecycle stage or city, or into the customers of a segment and all others."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import ibis
import ibis.expr.types as ir

from customers.analytics.expressions.breakdowns import (
    Breakdown,
    GroupKey,
    add_customer_label,
    add_group,
    match_group,
    read_group,
)
from customers.analytics.expressions.tables import AnalyticsTables
from customers.analytics.outcomes.parameters import OutcomeParameters

# splits by a property that the customers have now
CUSTOMER_SPLITS = ("stage", "city")
type PeriodRows = dict[int, list[dict[str, Any]]]


def add_split(
    rows: ir.Table,
    tables: AnalyticsTables,
    parameters: OutcomeParameters,
    *,
    channel: str,
    weight: Callable[[ir.Table], ir.NumericColumn] | None = None,
) -> ir.Table:
    """Return rows with ``label`` and ``is_other``, and without the column of the channel.

    Args:
        channel: the name of the column with the channel. weight: by which the largest channels are chosen; otherwise by their rows.
    """
    others = [name for name in rows.columns if name != channel]
    if parameters.split == "channel":
        labelled = rows.mutate(label=rows[channel]).select(*others, "label")
        return add_group(labelled, weight(labelled) if weight else None, parameters.limit)
    rows = rows.select(*others)
    if parameters.split in CUSTOMER_SPLITS:
        labelled = add_customer_label(rows, Breakdown(kind="customer", name=parameters.split), tables)
        return add_group(labelled, weight(labelled) if weight else None, parameters.limit)
    if parameters.split == "segment":
        labelled = add_customer_label(rows, Breakdown(kind="segment", name=parameters.segment), tables)
    else:
        labelled = rows.mutate(label=ibis.null("string"))
    return labelled.mutate(is_other=ibis.literal(False))


def select_group(rows: ir.Table, group: GroupKey | None) -> ir.Table:
    """Return the rows of a group of `add_split`; all without one."""
    return rows if group is None else match_group(rows, group)


def sort_groups(rows: Iterable[dict[str, Any]], key: Callable[[dict[str, Any]], float]) -> list[GroupKey]:
    """Return the groups by the sum of a number, the largest first; the other ones are last."""
    sums: dict[GroupKey, float] = {}
    for row in rows:
        group = read_group(row)
        sums[group] = sums.get(group, 0.0) + key(row)
    return sorted(sums, key=lambda group: (group.is_other, group.label is None, -sums[group], group.label or ""))


def arrange_rows(
    total: Sequence[dict[str, Any]],
    split: Sequence[dict[str, Any]],
    *,
    key: Callable[[dict[str, Any]], float],
) -> list[tuple[GroupKey | None, PeriodRows]]:
    """Return the rows by period, of everyone first (None) and then of each group.

    Args:
        total, split: rows with a period; those of split also have a group. key: the number by which groups are sorted.
    """
    arranged: list[tuple[GroupKey | None, PeriodRows]] = [(None, _list_by_period(total))]
    arranged.extend(
        (group, _list_by_period([row for row in split if read_group(row) == group]))
        for group in sort_groups(split, key)
    )
    return arranged


def _list_by_period(rows: Iterable[dict[str, Any]]) -> PeriodRows:
    periods: PeriodRows = {}
    for row in rows:
        periods.setdefault(row["period"], []).append(row)
    return periods
