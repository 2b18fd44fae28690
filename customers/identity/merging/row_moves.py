"""Rows that follow their customer: moved in one statement for any number of merges, and given back by their ids."""

from collections.abc import Mapping, Sequence

from django.db import connection
from django.db.models import Model
from psycopg import sql

type Moved = dict[int, dict[str, list[int]]]  # folded customer → label of a model → ids

MOVE = sql.SQL("""
    UPDATE {table} AS row SET customer_id = pair.kept
    FROM unnest(%(kept)s::bigint[], %(folded)s::bigint[]) AS pair (kept, folded)
    WHERE row.customer_id = pair.folded
    RETURNING pair.folded, row.id
""")
GIVE_BACK = sql.SQL("""
    UPDATE {table} AS row SET customer_id = moved.folded
    FROM unnest(%(kept)s::bigint[], %(folded)s::bigint[], %(id)s::bigint[]) AS moved (kept, folded, id)
    WHERE row.id = moved.id AND row.customer_id = moved.kept
""")


def move_rows(*, models: Sequence[type[Model]], pairs: Sequence[tuple[int, int]]) -> Moved:
    """Gives the rows of the folded customers to the kept ones, by the models' column customer_id; what was moved."""
    moved: Moved = {}
    columns = {"kept": [kept for kept, _folded in pairs], "folded": [folded for _kept, folded in pairs]}
    with connection.cursor() as cursor:
        for model in models:
            cursor.execute(MOVE.format(table=sql.Identifier(model._meta.db_table)), columns)
            for folded, row_id in cursor.fetchall():
                moved.setdefault(folded, {}).setdefault(model._meta.label_lower, []).append(row_id)
    return moved


def give_back_rows(
    *, models: Sequence[type[Model]], merges: Sequence[tuple[int, int, Mapping[str, Sequence[int]]]]
) -> None:
    """Gives back what ``move_rows`` moved, as far as the kept customer still has it."""
    with connection.cursor() as cursor:
        for model in models:
            rows = [
                (kept, folded, row_id)
                for kept, folded, moved in merges
                for row_id in moved.get(model._meta.label_lower, ())
            ]
            if rows:
                kept_ids, folded_ids, ids = map(list, zip(*rows, strict=True))
                columns = {"kept": kept_ids, "folded": folded_ids, "id": ids}
                cursor.execute(GIVE_BACK.format(table=sql.Identifier(model._meta.db_table)), columns)
