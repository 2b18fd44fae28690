"""Flows of customers between states, as a matrix and as a Sankey chart."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from config.foundation.charts import ChartSpec, build_sankey_chart

OTHER_COLOR = "#9ca3af"
ANY = "*"  # any state, in the links of totals

type FlowCounts = Mapping[tuple[str, str], int]


def make_transition_matrix(
    counts: FlowCounts,
    *,
    from_states: Sequence[str],
    to_states: Sequence[str],
    get_label: Callable[[str], str],
    make_url: Callable[[str, str], str],
) -> dict[str, Any]:
    """Return the headers, rows and totals of the matrix; states without customers are left out.

    Totals link to all customers of a state before or after, whose other state is `ANY`.
    counts: customers by state before and after. from_states, to_states: the states in the order of the rows and of the columns.
    """
    to_heads = [state for state in to_states if any(new == state for _old, new in counts)]
    from_heads = [state for state in from_states if any(old == state for old, _new in counts)]
    return {
        "heads": [get_label(state) for state in to_heads],
        "rows": [
            {
                "name": get_label(old),
                "total": sum(counts.get((old, new), 0) for new in to_heads),
                "url": make_url(old, ANY),
                "cells": [
                    {
                        "customers": counts.get((old, new), 0),
                        "same": old == new,
                        "url": make_url(old, new) if (old, new) in counts else "",
                    }
                    for new in to_heads
                ],
            }
            for old in from_heads
        ],
        "totals": [
            {"customers": sum(counts.get((old, new), 0) for old in from_heads), "url": make_url(ANY, new)}
            for new in to_heads
        ],
        "total": sum(counts.values()),
        "moved": sum(customers for (old, new), customers in counts.items() if old != new),
    }


def make_sankey_chart(
    counts: FlowCounts,
    *,
    to_states: Sequence[str],
    get_label: Callable[[str], str],
    make_url: Callable[[str, str], str],
    colors: Mapping[str, str],
) -> ChartSpec:
    """Return the chart of the customers who changed state.

    Those who did not would hide the flows; the table has them. colors: by state; other states are gray.
    """
    moved = {pair: customers for pair, customers in counts.items() if pair[0] != pair[1]}
    left = list(dict.fromkeys(old for old, _new in moved))
    right = [state for state in to_states if any(new == state for _old, new in moved)]
    return build_sankey_chart(
        labels=[get_label(state) for state in [*left, *right]],
        colors=[colors.get(state, OTHER_COLOR) for state in [*left, *right]],
        sources=[left.index(old) for old, _new in moved],
        targets=[len(left) + right.index(new) for _old, new in moved],
        values=list(moved.values()),
        links=[make_url(*pair) for pair in moved],
    )
