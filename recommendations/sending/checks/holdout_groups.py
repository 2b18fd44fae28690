"""Skips pending messages to people whose merged accounts were in both groups of a campaign or flow.

The results count such a person by the first assignment. A person who was held out first, or at the same moment, gets no more messages.
Campaigns and flows register which of them an origin belongs to, because sending does not import them.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence

from django.db import connection

from config.foundation.database.array_parameters import format_bigint_list
from recommendations.sending.checks.candidates import DueDelivery
from recommendations.sending.models import SkipReason

type ScopeFinder = Callable[[Collection[int]], Mapping[int, int]]

FIND_HELD_OUT = """
SELECT a.scope_id, a.customer_id FROM measurement_assignment a
JOIN unnest(%(scopes)s::bigint[], %(customers)s::bigint[]) AS row (scope_id, customer_id) USING (scope_id, customer_id)
WHERE a.kind = %(kind)s
GROUP BY 1, 2
HAVING min(a.assigned_at) FILTER (WHERE a.is_held_out) <= coalesce(min(a.assigned_at) FILTER (WHERE NOT a.is_held_out), 'infinity')
"""

_finders: dict[str, ScopeFinder] = {}


def register_scope_finder(origin_kind: str, find_scopes: ScopeFinder) -> None:
    """Register the function that finds the campaign or flow of the origins of a kind."""
    _finders[origin_kind] = find_scopes


def check_holdout_groups(candidates: Sequence[DueDelivery]) -> None:
    """Skip the messages of campaigns and flows from which the customer is held out; two queries per kind."""
    by_kind: dict[str, list[DueDelivery]] = defaultdict(list)
    for candidate in candidates:
        if candidate.is_open and not candidate.is_transactional and candidate.origin_kind in _finders:
            by_kind[candidate.origin_kind].append(candidate)
    for kind, group in by_kind.items():
        scopes = _finders[kind]({candidate.origin_id for candidate in group})
        pairs = {(scopes[each.origin_id], each.customer_id) for each in group if each.origin_id in scopes}
        held_out = find_held_out(kind, pairs)
        for candidate in group:
            if (scopes.get(candidate.origin_id), candidate.customer_id) in held_out:
                candidate.skip(SkipReason.HOLDOUT)


def find_held_out(kind: str, pairs: Collection[tuple[int, int]]) -> set[tuple[int, int]]:
    """Return the (campaign or flow, customer) pairs in which the customer counts as held out."""
    if not pairs:
        return set()
    scopes, customers = zip(*sorted(pairs), strict=True)
    parameters = {
        "kind": kind,
        "scopes": format_bigint_list(scopes),
        "customers": format_bigint_list(customers),
    }
    with connection.cursor() as cursor:
        cursor.execute(FIND_HELD_OUT, parameters)
        return {(scope_id, customer_id) for scope_id, customer_id in cursor.fetchall()}
