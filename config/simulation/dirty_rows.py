"""Dirty data: rows that importers must reject, repeated lines, late lines and wrong clocks, and how many there are of each.

Rejected rows are additional, so orders and events stay complete without them, and the truth stays true.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from config.foundation.array_types import Ints
from config.simulation.plan import ShopPlan

REJECTED_SHARE = 0.001  # of the rows, for each kind
REPEATED_SHARE = 0.003
LATE_SHARE = 0.01
SKEWED_SHARE = 0.01
MAX_SKEW_MS = 3 * 86_400_000
# kind of problem → the row of an order file; the ID is one that no other row has
ORDER_ROWS = {
    "bad_date": "x-{n},1,c000000000,31.31.2025,p0000000,1,9.99,0.00,EUR\n",
    "bad_number": "x-{n},1,c000000000,{date},p0000000,two,9.99,0.00,EUR\n",
    "missing_product": "x-{n},1,c000000000,{date},,1,9.99,0.00,EUR\n",
    "missing_quantity": "x-{n},1,c000000000,{date},p0000000,,9.99,0.00,EUR\n",
    "missing_price": "x-{n},1,c000000000,{date},p0000000,1,,,EUR\n",
    "negative_price": "x-{n},1,c000000000,{date},p0000000,1,-9.99,0.00,EUR\n",
    "zero_quantity": "x-{n},1,c000000000,{date},p0000000,0,9.99,0.00,EUR\n",
    "missing_date": "x-{n},1,c000000000,,p0000000,1,9.99,0.00,EUR\n",
}
EVENT_ROWS = {
    "invalid_json": "x-{n},Product Viewed,{date}\n",
    "invalid_text": '{{"type":"track","messageId":"x-{n}","userId":"c000000000","event":"Product Viewed","properties":{{"price":NaN}}}}\n',
    "missing_identity": '{{"type":"track","messageId":"x-{n}","event":"Product Viewed","timestamp":"{date}"}}\n',
    "invalid_timestamp": '{{"type":"track","messageId":"x-{n}","userId":"c000000000","event":"Product Viewed","timestamp":"yesterday"}}\n',
    "missing_event": '{{"type":"track","messageId":"x-{n}","userId":"c000000000","timestamp":"{date}"}}\n',
}


@dataclass(frozen=True, eq=False)
class DirtyLines:
    """The lines of a file with dirty ones among them, and the number of each kind."""

    lines: pa.Array
    counts: dict[str, int]


def draw_skews(n: int, generator: np.random.Generator) -> Ints:
    """Return by how many milliseconds the clock of each event is wrong; most are right."""
    skew = generator.integers(-MAX_SKEW_MS, MAX_SKEW_MS, n)
    return np.where(generator.random(n) < SKEWED_SHARE, skew | 1, 0)


def make_rejected_rows(
    rows: dict[str, str], plan: ShopPlan, block: int, lines: int, generator: np.random.Generator
) -> tuple[list[str], dict[str, int]]:
    counts = {
        kind: int(number)
        for kind, number in zip(rows, generator.poisson(lines * REJECTED_SHARE, len(rows)), strict=True)
    }
    texts = [
        rows[kind].format(n=f"{kind}-{block}-{number}", date=f"{plan.start:%Y-%m-%dT%H:%M:%SZ}")
        for kind, count in counts.items()
        for number in range(count)
    ]
    return texts, counts


def add_dirty_rows_to_orders(lines: pa.Array, plan: ShopPlan, block: int) -> DirtyLines:
    """Add rejected rows, and repeated ones (duplicate_line) after the line that they repeat."""
    generator = plan.make_generator("dirty orders", block)
    texts, counts = make_rejected_rows(ORDER_ROWS, plan, block, len(lines), generator)
    repeated = np.flatnonzero(generator.random(len(lines)) < REPEATED_SHARE)
    counts["duplicate_line"] = len(repeated)
    positions = np.concatenate([np.arange(len(lines)), generator.random(len(texts)) * len(lines), repeated + 0.5])
    return DirtyLines(mix(lines, texts, repeated, positions), counts)


def add_dirty_rows_to_events(lines: pa.Array, at: Ints, plan: ShopPlan, block: int) -> DirtyLines:
    """Add rejected lines and repeated ones (duplicates); some lines come up to three days late."""
    generator = plan.make_generator("dirty events", block)
    texts, counts = make_rejected_rows(EVENT_ROWS, plan, block, len(lines), generator)
    repeated = np.flatnonzero(generator.random(len(lines)) < REPEATED_SHARE)
    late = generator.random(len(lines)) < LATE_SHARE
    arrival = at + np.where(late, generator.integers(3_600_000, MAX_SKEW_MS, len(lines)), 0)
    between = generator.integers(0, max(1, int(at.max(initial=0))), len(texts))
    counts |= {"duplicates": len(repeated), "late": int(late.sum())}
    positions = np.concatenate([arrival, between, arrival[repeated] + 1])
    return DirtyLines(mix(lines, texts, repeated, positions), counts)


def mix(lines: pa.Array, texts: list[str], repeated: Ints, positions: np.ndarray) -> pa.Array:
    together = pa.concat_arrays([lines, pa.array(texts, lines.type), lines.take(pa.array(repeated))])
    return together.take(pa.array(np.argsort(positions, kind="stable")))
