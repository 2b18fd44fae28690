"""Stores assignments, in the transaction of the decision, and reads them as the members of a comparison."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from psycopg import sql

from config.foundation.database.array_parameters import format_bigint_list
from recommendations.measurement.models import Assignment
from recommendations.measurement.outcomes.members import Members

Kind = Assignment.Kind
HOLDOUT, TREATED = "holdout", "treated"
LARGE_AUDIENCE = 10_000

# customers who have an assignment keep it: a repeated call changes nothing
RECORD = sql.SQL("""
INSERT INTO measurement_assignment
    (kind, scope_id, customer_id, is_held_out, holdout_share, assigned_at, stage, rfm_group, language, predicted_value)
SELECT %(kind)s, a.scope_id, a.customer_id, a.is_held_out, a.holdout_share, %(at)s, coalesce(p.stage, ''), coalesce(p.rfm_group, ''),
       c.language, p.value
FROM ({audience}) AS a JOIN identity_customer c ON c.id = a.customer_id
LEFT JOIN lifecycle_customerprofile p ON p.customer_id = a.customer_id
WHERE NOT EXISTS (
    SELECT FROM measurement_assignment known
    WHERE known.kind = %(kind)s AND known.scope_id = a.scope_id AND known.customer_id = a.customer_id
)
""")
LISTED = sql.SQL(
    "SELECT row.* FROM unnest(%(scopes)s::bigint[], %(customers)s::bigint[], %(held_out)s::boolean[], %(shares)s::float8[]) "
    "AS row (scope_id, customer_id, is_held_out, holdout_share)"
)
FIND_KNOWN = """
SELECT DISTINCT ON (scope_id, customer_id) scope_id, customer_id, is_held_out FROM measurement_assignment
WHERE kind = %(kind)s AND scope_id = ANY(%(scopes)s::bigint[]) AND customer_id = ANY(%(customers)s::bigint[])
ORDER BY scope_id, customer_id, assigned_at, id
"""
# After merges, a person may have assignments to both groups: the first one counts, as everything later may be its effect. If both were
# made at the same moment, as in one run of a campaign, the person is left out.
MEMBERS = sql.SQL("""
SELECT a.customer_id, CASE WHEN bool_and(a.is_held_out) OR min(a.assigned_at) FILTER (WHERE a.is_held_out)
                                < min(a.assigned_at) FILTER (WHERE NOT a.is_held_out) THEN 'holdout' ELSE 'treated' END AS member_group,
       min(a.assigned_at) AS since, {until} AS until, max(a.predicted_value) AS predicted_value,
       ARRAY['stage:' || min(a.stage), 'rfm_group:' || min(a.rfm_group), 'language:' || min(a.language)] AS parts
FROM measurement_assignment a WHERE a.kind = %(kind)s AND a.scope_id = %(scope)s AND {condition}
GROUP BY a.customer_id
HAVING min(a.assigned_at) FILTER (WHERE a.is_held_out) IS DISTINCT FROM min(a.assigned_at) FILTER (WHERE NOT a.is_held_out)
""")
ADD_CLICKS = sql.SQL(
    "SELECT m.*, click.click_windows FROM ({members}) AS m LEFT JOIN ({clicks}) AS click ON click.customer_id = m.customer_id"
)


def record_audience(*, kind: str, audience: sql.Composable, parameters: Mapping[str, Any], at: datetime) -> int:
    """Store the assignments of an audience by one statement, and return how many are new.

    audience: SQL that selects scope_id, customer_id, is_held_out and holdout_share, each customer once.
    """
    with connection.cursor() as cursor:
        cursor.execute(RECORD.format(audience=audience), {**parameters, "kind": kind, "at": at})
        recorded = int(cursor.rowcount)
        if recorded >= LARGE_AUDIENCE:
            # Without ANALYZE, PostgreSQL expects a few rows for a new campaign, and counting compares every customer with every other.
            cursor.execute("ANALYZE measurement_assignment")
        return recorded


def record_assignments(*, kind: str, assignments: Sequence[tuple[int, int, bool, float]], at: datetime) -> int:
    """Store assignments of the form (scope, customer, is held out, holdout share), and return how many are new."""
    if not assignments:
        return 0
    scopes, customers, held_out, shares = map(list, zip(*assignments, strict=True))
    parameters = {"scopes": scopes, "customers": customers, "held_out": held_out, "shares": shares}
    return record_audience(kind=kind, audience=LISTED, parameters=parameters, at=at)


def read_assigned(*, kind: str, scope_ids: Sequence[int], customer_ids: Sequence[int]) -> dict[tuple[int, int], bool]:
    """Return whether customers are held out, by scope and customer; those without an assignment are missing."""
    if not scope_ids or not customer_ids:
        return {}
    parameters = {
        "kind": kind,
        "scopes": format_bigint_list(scope_ids),
        "customers": format_bigint_list(customer_ids),
    }
    with connection.cursor() as cursor:
        cursor.execute(FIND_KNOWN, parameters)
        return {(scope_id, customer_id): is_held_out for scope_id, customer_id, is_held_out in cursor.fetchall()}


def build_assigned_members(
    *,
    kind: str,
    scope_id: int,
    window: timedelta | None = None,
    until: datetime | None = None,
    clicks: sql.Composable | None = None,
    parameters: Mapping[str, Any] | None = None,
    with_parts: bool = True,
) -> Members:
    """Return the treated customers and the holdout group of a campaign or flow, from their first assignment on.

    Args:
        window: how long each of them counts; or until: the moment up to which all of them count.
        clicks: SQL that selects customer_id and click_windows, each customer once, with its parameters.
    """
    statement: sql.Composable = MEMBERS.format(
        until=sql.SQL("min(a.assigned_at) + %(window)s" if until is None else "%(until)s"),
        condition=sql.SQL("a.holdout_share > 0" if kind == Kind.FLOW else "true"),
    )
    if clicks is not None:
        statement = ADD_CLICKS.format(members=statement, clicks=clicks)
    values = {"kind": kind, "scope": scope_id, "window": window, "until": until, **(parameters or {})}
    return Members(statement, values, has_click=clicks is not None, has_predicted_value=True, has_parts=with_parts)
