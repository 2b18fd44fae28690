"""What the members of segments depend on: results that were computed for a segment are outdated when it changes."""

from collections.abc import Collection
from typing import Any

from django.db.models import OuterRef, Subquery
from django.db.models.expressions import RawSQL

from customers.segments.editing import list_condition_segments
from customers.segments.models import Segment, SegmentMember, SegmentStay


def read_membership_versions(keys: Collection[str]) -> list[list[Any]]:
    """Return values that change with the members of these segments, including the segments that their conditions refer to.

    An edit changes them at once, also of the members of a static segment. Entries to dynamic segments and exits change them when they are
    recorded: within seconds if they were noted, see `changed_customers`, otherwise at the next count of all segments.
    """
    if not keys:
        return []
    segments = {segment.key: segment for segment in Segment.objects.only("key", "kind", "condition")}
    used = find_used_segments(keys, segments)
    rows = Segment.objects.filter(pk__in=[segment.pk for segment in used]).annotate(
        # one index entry of each
        last_entry=_select_latest("entered_at", is_entry_observed=True),
        last_exit=_select_latest("left_at", is_exit_observed=True),
        # of all static segments, because a counter of each would have to be locked by everyone who changes its members
        member_changes=RawSQL("SELECT last_value::text || is_called FROM segments_member_changes", ()),
        newest_member=Subquery(SegmentMember.objects.order_by("-pk").values("pk")[:1]),
    )
    return [
        [
            *(row.key, row.pk, row.kind, row.condition, row.size, row.last_entry, row.last_exit),
            *((row.member_changes, row.newest_member) if row.kind == Segment.Kind.STATIC else ()),
        ]
        for row in rows.order_by("key")
    ]


def find_used_segments(keys: Collection[str], segments: dict[str, Segment]) -> list[Segment]:
    """Return the segments of these keys and all that their conditions refer to; unknown keys are left out."""
    found: dict[str, Segment] = {}
    remaining = set(keys)
    while remaining:
        key = remaining.pop()
        segment = segments.get(key)
        if segment is None or key in found:
            continue
        found[key] = segment
        if segment.kind == Segment.Kind.DYNAMIC:
            remaining |= list_condition_segments(segment.condition)
    return list(found.values())


def _select_latest(moment: str, **conditions: bool) -> Subquery:
    stays = SegmentStay.objects.filter(segment=OuterRef("pk"), **conditions).order_by(f"-{moment}", "-id")
    return Subquery(stays.values(moment)[:1])
