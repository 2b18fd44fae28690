"""Runs the statements of a block again and reports what they read."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext


def analyze(table: str) -> None:
    """Update the statistics of a table, on which the plans depend."""
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {table}")


def count_read_rows(queries: CaptureQueriesContext, table: str) -> int:
    """Return how many rows of a table and its partitions the captured statements read, with those that a filter removed."""
    return sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0))
        * node["Actual Loops"]
        for node in list_scans(queries)
        if node["Relation Name"].startswith(table)
    )


def list_scans(queries: CaptureQueriesContext) -> list[Mapping[str, Any]]:
    """Return the nodes of the plans that read a table."""
    scans: list[Mapping[str, Any]] = []
    with connection.cursor() as cursor:
        for query in list(queries):
            if not query["sql"].startswith("SELECT"):
                continue
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query['sql']}".replace("%", "%%"), [])
            plan = cursor.fetchone()[0]
            [tree] = json.loads(plan) if isinstance(plan, str) else plan
            scans += [node for node in walk(tree["Plan"]) if "Relation Name" in node]
    return scans


def walk(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from walk(child)
