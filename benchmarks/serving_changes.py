"""How long a change of a product or a rule takes until recommendations show it."""

import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import psycopg

from benchmarks.ingest import send_request

ROUNDS = 5
POLL_SECONDS = 0.02
TIMEOUT_SECONDS = 60.0
CONSECUTIVE = 10  # responses that must all show the change: each may come from another worker

UPDATE_PRODUCT = "UPDATE catalog_product SET {}, updated_at = clock_timestamp() WHERE product_id = %(product)s"
HIDE_PRODUCT = "INSERT INTO merchandising_rule ({columns}) SELECT {values} FROM merchandising_rule WHERE action = 'hide' AND brand <> '' LIMIT 1"

type Item = dict[str, Any]
type Statement = tuple[str, Callable[[Item, Item | None], bool]]

# The statement of each change, and whether a response shows it: the item before and after it, None if the product is not shown any more.
CHANGES: dict[str, Statement] = {
    "price": (
        UPDATE_PRODUCT.format("price = price + 0.01"),
        lambda before, after: after is not None and after["product"]["price"] != before["product"]["price"],
    ),
    "title": (
        UPDATE_PRODUCT.format("title = title || '.'"),
        lambda before, after: after is not None and after["product"]["title"] != before["product"]["title"],
    ),
    "stock": (UPDATE_PRODUCT.format("stock = 0"), lambda before, after: after is None),
    "rule": ("", lambda before, after: after is None),
}


def measure_visibility(port: int, path: str, key: str) -> dict[str, float]:
    """Return the seconds until a response shows a changed price, title, stock and rule: the median and the worst of `ROUNDS` each.

    path: a request for recommendations; the first product of its response is changed. A change counts as shown from the first of
    `CONSECUTIVE` responses that show it. Errors: TimeoutError if this takes more than a minute.
    """
    headers = {"Authorization": f"Bearer {key}"}
    figures: dict[str, float] = {}
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        for name, (statement, is_shown) in CHANGES.items():
            delays = []
            for _round in range(ROUNDS):
                before = send_request(port, path, headers)["items"][0]
                change_product(connection, statement, before["product_id"])
                delays.append(wait_until_shown(lambda: send_request(port, path, headers)["items"], before, is_shown))
            figures |= {f"{name}_visible_s": statistics.median(delays), f"{name}_visible_worst_s": max(delays)}
    return {figure: round(value, 2) for figure, value in figures.items()}


def change_product(connection: psycopg.Connection[Any], statement: str, product: str) -> None:
    """Execute the statement, or hide the product by a new rule if it is empty."""
    if statement:
        connection.execute(statement, {"product": product})
        return
    rows = connection.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'merchandising_rule' AND column_name <> 'id'"
    ).fetchall()
    columns = [row[0] for row in rows]
    values = {"brand": "''", "product_ids": "ARRAY[%(product)s]"}
    connection.execute(
        HIDE_PRODUCT.format(
            columns=", ".join(columns), values=", ".join(values.get(column, column) for column in columns)
        ),
        {"product": product},
    )


def wait_until_shown(
    request_items: Callable[[], list[Item]], before: Item, is_shown: Callable[[Item, Item | None], bool]
) -> float:
    """Return the seconds until the first of `CONSECUTIVE` responses that show the change."""
    began = time.perf_counter()
    shown, since = 0, 0.0
    while shown < CONSECUTIVE:
        items = {item["product_id"]: item for item in request_items()}
        now = time.perf_counter() - began
        if not is_shown(before, items.get(before["product_id"])):
            shown = 0
        else:
            shown, since = shown + 1, since if shown else now
        if now > TIMEOUT_SECONDS:
            raise TimeoutError(f"The change of {before['product_id']} was not shown within {TIMEOUT_SECONDS:.0f} s.")
        time.sleep(POLL_SECONDS)
    return since
