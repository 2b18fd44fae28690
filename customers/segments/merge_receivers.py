"""A place on a fixed list follows its customer when people are merged; who stood there twice stands there once."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection

from customers.identity.merging.row_moves import Moved, give_back_rows, move_rows
from customers.segments.models import SegmentMember

DOUBLED = "segments.doubled"  # lists on which both stood: [segment, when the folded one was added]

# of several folded into the same customer the one who has stood there longest brings the place along
TAKE_DOUBLED = """
WITH pair AS (
    SELECT * FROM unnest(%(kept)s::bigint[], %(folded)s::bigint[]) AS row (kept, folded)
), placed AS (
    SELECT m.id, m.segment_id, m.added_at, pair.folded,
           row_number() OVER (PARTITION BY m.segment_id, pair.kept ORDER BY m.added_at, m.id) AS place,
           EXISTS (
               SELECT FROM segments_segmentmember k WHERE k.segment_id = m.segment_id AND k.customer_id = pair.kept
           ) AS is_there
    FROM segments_segmentmember m JOIN pair ON pair.folded = m.customer_id
)
DELETE FROM segments_segmentmember m USING placed
WHERE m.id = placed.id AND (placed.is_there OR placed.place > 1)
RETURNING placed.folded, m.segment_id, to_jsonb(m.added_at) #>> '{}'
"""
GIVE_DOUBLED = """
INSERT INTO segments_segmentmember (segment_id, customer_id, added_at)
SELECT row.segment_id, row.customer_id, row.added_at
FROM unnest(%(segment)s::bigint[], %(customer)s::bigint[], %(added)s::timestamptz[])
     AS row (segment_id, customer_id, added_at)
JOIN segments_segment s ON s.id = row.segment_id
ON CONFLICT DO NOTHING
"""


def follow_merge(*, pairs: Sequence[tuple[int, int]], **_kwargs: Any) -> Moved:
    columns = {"kept": [kept for kept, _folded in pairs], "folded": [folded for _kept, folded in pairs]}
    with connection.cursor() as cursor:
        cursor.execute(TAKE_DOUBLED, columns)
        doubled = cursor.fetchall()
    moved: dict[int, dict[str, list[Any]]] = move_rows(models=(SegmentMember,), pairs=pairs)
    for folded, segment_id, added_at in doubled:
        moved.setdefault(folded, {}).setdefault(DOUBLED, []).append([segment_id, added_at])
    return moved


def follow_revert(*, merges: Sequence[tuple[int, int, Mapping[str, Any]]], **_kwargs: Any) -> None:
    give_back_rows(models=(SegmentMember,), merges=merges)
    places = [
        (segment_id, folded, added_at)
        for _kept, folded, rows in merges
        for segment_id, added_at in rows.get(DOUBLED, ())
    ]
    if places:
        segments, customers, added = map(list, zip(*places, strict=True))
        with connection.cursor() as cursor:
            cursor.execute(GIVE_DOUBLED, {"segment": segments, "customer": customers, "added": added})
