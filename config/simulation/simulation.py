"""Writes a simulated shop to a folder, part by part. An interrupted run continues; equal plans give equal files.

simulation.json             the plan, and the counts once complete
products.jsonl           for import_products
orders/00000.csv.gz …       for import_orders
events/00000.jsonl.gz …     for import_events
truth/…                     Parquet: customers, future, campaigns, demand, rhythms, reviews, dirty_rows, products
parts/00000.json …          marks of complete parts
"""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from config.foundation.files.atomic_write import write_atomically
from config.foundation.progress import Progress, ignore_progress
from config.simulation.catalog import ShopCatalog, draw_catalog
from config.simulation.customers import draw_customers
from config.simulation.dirty_rows import add_dirty_rows_to_events, add_dirty_rows_to_orders, draw_skews
from config.simulation.output.event_lines import EventLines
from config.simulation.output.order_lines import (
    CUSTOMER_HEADER,
    HEADER,
    format_customer_rows,
    format_order_lines,
    format_product_lines,
)
from config.simulation.output.part_files import (
    PartFiles,
    delete_simulation,
    is_empty,
    read_json,
    write_lines,
)
from config.simulation.plan import ShopPlan
from config.simulation.purchases import draw_purchases
from config.simulation.reviews import build_review_truth, draw_reviews, format_reviews
from config.simulation.truth import (
    build_campaign_truth,
    build_customer_truth,
    build_demand_truth,
    build_dirty_rows_truth,
    build_future_truth,
    build_product_truth,
    build_rhythm_truth,
)
from config.simulation.visits import draw_events

RECORD = "simulation.json"
OWN_NAMES = (RECORD, "products.jsonl", "customers", "orders", "events", "reviews", "truth", "parts")


class FolderInUseError(Exception):
    """The folder has something else in it."""


def write_simulation(
    plan: ShopPlan, folder: Path, *, force: bool = False, progress: Progress = ignore_progress
) -> dict[str, Any]:
    """Write the shop, or the rest of it, and return the record. Raises FolderInUseError and OSError."""
    prepare_folder(plan, folder, force=force)
    record: dict[str, Any] = {"plan": plan.to_dict(), "is_complete": False, "counts": {}}
    write_atomically(folder / RECORD, json.dumps(record).encode())
    catalog = draw_catalog(plan)
    lines = EventLines(plan, catalog)
    counts: Counter[str] = Counter()
    counts["products"] = write_lines(folder / "products.jsonl", format_product_lines(catalog))
    (folder / "truth").mkdir(exist_ok=True)
    write_table(folder / "truth" / "products.parquet", build_product_truth(catalog))
    done = 0
    progress(0, plan.customers)
    for part in range(plan.parts):
        files = PartFiles(folder, part)
        if not files.is_complete():
            with files:
                for block in plan.list_blocks(part):
                    write_block(plan, catalog, lines, block, files)
                    done += plan.count_customers(block)
                    progress(done, plan.customers)
        else:
            done += sum(map(plan.count_customers, plan.list_blocks(part)))
            progress(done, plan.customers)
        counts.update(files.read_counts())
    record |= {"is_complete": True, "counts": dict(counts)}
    write_atomically(folder / RECORD, json.dumps(record, indent=1).encode())
    return record


def prepare_folder(plan: ShopPlan, folder: Path, *, force: bool) -> None:
    """Make the folder, or check that a run of the same plan was interrupted in it. Raises FolderInUseError."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / RECORD
    if not path.exists():
        if not is_empty(folder) and not force:
            raise FolderInUseError(f"{folder} is not empty. Choose a new folder, or add --force to write into it.")
        return
    record = read_json(path)
    if force:
        delete_simulation(folder, OWN_NAMES)
    elif record["plan"] != plan.to_dict():
        raise FolderInUseError(
            f"{folder} has another simulation ({describe(record['plan'])}). Choose a new folder, or add --force to replace it."
        )
    elif record["is_complete"]:
        raise FolderInUseError(f"{folder} already contains this simulation. Add --force to write it again.")


def describe(plan: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in plan.items())


def write_block(plan: ShopPlan, catalog: ShopCatalog, lines: EventLines, block: int, files: PartFiles) -> None:
    customers = draw_customers(plan, catalog, block)
    purchases = draw_purchases(plan, catalog, customers, block)
    orders = add_dirty_rows_to_orders(format_order_lines(plan, customers, purchases), plan, block)
    files.write_lines("orders", ".csv", orders.lines, header=HEADER)
    events = draw_events(plan, catalog, customers, purchases, block)
    skew = draw_skews(len(events), plan.make_generator("clocks", block))
    reviews = draw_reviews(plan, catalog, purchases, block)
    files.write_lines("reviews", ".jsonl", format_reviews(plan, customers, purchases, reviews), compressed=False)
    files.write_lines("customers", ".csv", format_customer_rows(customers), header=CUSTOMER_HEADER, compressed=False)
    items = add_dirty_rows_to_events(lines.format(events, customers, skew), events.at, plan, block)
    files.write_lines("events", ".jsonl", items.lines)
    items.counts["skewed"] = int((skew != 0).sum())
    tables: dict[str, Callable[[], pa.Table]] = {
        "customers": lambda: build_customer_truth(plan, catalog, customers, purchases),
        "future": lambda: build_future_truth(plan, customers, purchases),
        "campaigns": lambda: build_campaign_truth(plan, customers, purchases),
        "demand": lambda: build_demand_truth(plan, catalog, customers, purchases),
        "rhythms": lambda: build_rhythm_truth(customers),
        "reviews": lambda: build_review_truth(plan, customers, purchases, reviews),
        "dirty_rows": lambda: build_dirty_rows_truth(orders=orders.counts, events=items.counts),
    }
    for name, build in tables.items():
        files.write_table(name, build())
    files.count("bots", events.bots)


def write_table(path: Path, table: pa.Table) -> None:
    partial = path.with_name(path.name + ".partial")
    pq.write_table(table, partial, compression="zstd")
    partial.replace(path)
