"""Flows of customers between states, as a matrix and as a Sankey chart."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from config.foundation.charts import ChartSpec, build_sankey_chart

OTHER_COLOR = "#9ca3af"

type FlowCounts = Mapping[tuple[str, str], int]


def make_transition_matrix(
    counts: FlowCounts,
    *,
    olds: Sequence[str],
    news: Sequence[str],
    name: Callable[[str], str],
    link: Callable[[str, str], str],
) -> dict[str, Any]:
    """Return the heads, rows and totals of the matrix; states without customers are left out.

    counts: customers by state before and after. olds, news: the states in the order of the rows and of the columns.
    """
    heads = [state for state in news if any(new == state for _old, new in counts)]
    begun = [state for state in olds if any(old == state for old, _new in counts)]
    return {
        "heads": [name(state) for state in heads],
        "rows": [
            {
                "name": name(old),
                "total": sum(counts.get((old, new), 0) for new in heads),
                "cells": [
                    {
                        "customers": counts.get((old, new), 0),
                        "same": old == new,
                        "url": link(old, new) if (old, new) in counts else "",
                    }
                    for new in heads
                ],
            }
            for old in begun
        ],
        "totals": [sum(counts.get((old, new), 0) for old in begun) for new in heads],
        "total": sum(counts.values()),
        "moved": sum(customers for (old, new), customers in counts.items() if old != new),
    }


def make_sankey_chart(
    counts: FlowCounts,
    *,
    news: Sequence[str],
    name: Callable[[str], str],
    link: Callable[[str, str], str],
    colors: Mapping[str, str],
) -> ChartSpec:
    """Return the chart of the customers who changed state; the others would hide the flows and are in the table.

    colors: of the states; others are gray.
    """
    moved = {pair: customers for pair, customers in counts.items() if pair[0] != pair[1]}
    left = list(dict.fromkeys(old for old, _new in moved))
    right = [state for state in news if any(new == state for _old, new in moved)]
    return build_sankey_chart(
        labels=[name(state) for state in [*left, *right]],
        colors=[colors.get(state, OTHER_COLOR) for state in [*left, *right]],
        sources=[left.index(old) for old, _new in moved],
        targets=[len(left) + right.index(new) for _old, new in moved],
        values=list(moved.values()),
        links=[link(*pair) for pair in moved],
    )
