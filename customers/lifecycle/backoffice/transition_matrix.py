"""A movement between states as a table and as flows, whatever the states are."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

type Counts = Mapping[tuple[str, str], int]


def shown_matrix(
    counts: Counts,
    *,
    olds: Sequence[str],
    news: Sequence[str],
    name: Callable[[str], str],
    link: Callable[[str, str], str],
) -> dict[str, Any]:
    """Every state that somebody left or stands in: the table's heads, and in each row a cell for each head.

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


def sankey(
    counts: Counts, *, news: Sequence[str], name: Callable[[str], str], link: Callable[[str, str], str], palette: str
) -> dict[str, Any]:
    """Those who stand elsewhere than before; who stayed would cover everything else and stands in the table.

    palette: what the chart takes the colours of the states from.
    """
    moved = {pair: customers for pair, customers in counts.items() if pair[0] != pair[1]}
    left = list(dict.fromkeys(old for old, _new in moved))
    right = [state for state in news if any(new == state for _old, new in moved)]
    return {
        "kind": "sankey",
        "palette": palette,
        "labels": [name(state) for state in [*left, *right]],
        "keys": [*left, *right],
        "source": [left.index(old) for old, _new in moved],
        "target": [len(left) + right.index(new) for _old, new in moved],
        "values": list(moved.values()),
        "links": [link(*pair) for pair in moved],
    }
