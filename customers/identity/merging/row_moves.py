"""Moves rows to another customer: one statement for any number of merges, and moved back by their ids."""

from collections.abc import Mapping, Sequence

from django.db import connection
from django.db.models import Model
from psycopg import sql

type MovedRows = dict[int, dict[str, list[int]]]  # merged customer → label of a model → ids

MOVE_ROWS = sql.SQL("""
    UPDATE {table} AS row SET customer_id = pair.kept
    FROM unnest(%(kept)s::bigint[], %(merged)s::bigint[]) AS pair (kept, merged)
    WHERE row.customer_id = pair.merged
    RETURNING pair.merged, row.id
""")
RESTORE_ROWS = sql.SQL("""
    UPDATE {table} AS row SET customer_id = moved.merged
    FROM unnest(%(kept)s::bigint[], %(merged)s::bigint[], %(id)s::bigint[]) AS moved (kept, merged, id)
    WHERE row.id = moved.id AND row.customer_id = moved.kept
""")


def move_rows(*, models: Sequence[type[Model]], pairs: Sequence[tuple[int, int]]) -> MovedRows:
    """Move the rows of the merged customers to the kept ones, by the column customer_id; return what was moved."""
    moved: MovedRows = {}
    columns = {"kept": [kept for kept, _merged in pairs], "merged": [merged for _kept, merged in pairs]}
    with connection.cursor() as cursor:
        for model in models:
            cursor.execute(MOVE_ROWS.format(table=sql.Identifier(model._meta.db_table)), columns)
            for merged, row_id in cursor.fetchall():
                moved.setdefault(merged, {}).setdefault(model._meta.label_lower, []).append(row_id)
    return moved


def restore_rows(
    *, models: Sequence[type[Model]], merges: Sequence[tuple[int, int, Mapping[str, Sequence[int]]]]
) -> None:
    """Move back what ``move_rows`` moved, if the kept customer still has it."""
    with connection.cursor() as cursor:
        for model in models:
            rows = [
                (kept, merged, row_id)
                for kept, merged, moved in merges
                for row_id in moved.get(model._meta.label_lower, ())
            ]
            if rows:
                kept_ids, merged_ids, ids = map(list, zip(*rows, strict=True))
                columns = {"kept": kept_ids, "merged": merged_ids, "id": ids}
                cursor.execute(RESTORE_ROWS.format(table=sql.Identifier(model._meta.db_table)), columns)
