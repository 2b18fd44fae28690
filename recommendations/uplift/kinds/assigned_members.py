"""The members of actions whose assignments are stored: campaigns and flows."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db.models import Count
from psycopg import sql

from recommendations.measurement.models import Assignment

# Each customer once, as assigned. Customers merged from both groups are left out.
MEMBERS = sql.SQL("""
SELECT a.customer_id, NOT bool_or(a.is_held_out) AS is_treated, max(a.holdout_share) AS share, min(a.assigned_at) AS since,
       {until} AS until, max(a.predicted_value) AS predicted_value
FROM measurement_assignment a
WHERE a.kind = {kind} AND a.scope_id = {scope} AND a.holdout_share > 0 AND {condition}
GROUP BY a.customer_id HAVING bool_or(a.is_held_out) = bool_and(a.is_held_out)
""")


def build_assigned_query(
    kind: str, scope_id: int, *, until: sql.Composable, condition: sql.Composable
) -> sql.Composable:
    """Return the query of `PastAction.members`. until: SQL of an aggregate. condition: SQL on the assignments ``a``."""
    return MEMBERS.format(kind=sql.Literal(kind), scope=sql.Literal(scope_id), until=until, condition=condition)


def count_assigned(kind: str, scope_ids: Sequence[int], as_of: datetime) -> Mapping[int, int]:
    """Return the assignments of each campaign or flow until a moment; those without any are missing."""
    assigned = Assignment.objects.filter(kind=kind, scope_id__in=scope_ids, holdout_share__gt=0, assigned_at__lte=as_of)
    return dict(assigned.order_by().values_list("scope_id").annotate(Count("pk")))
