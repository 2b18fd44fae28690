"""Who has been in which group since when: a query that every kind of test supplies, and that the counting joins with the orders."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from psycopg import sql

# The covariates are what a customer did before the start. A window as short as that of most campaigns says little about a customer,
# and what happened before the start cannot be an effect, so they cover at least this period.
EARLIER_DAYS = timedelta(days=90)


@dataclass(frozen=True)
class Members:
    """The customers of all groups, each of them once.

    The statement selects ``customer_id``, ``member_group`` (a text or number), ``since`` and ``until``: the window in which the
    outcomes count. Everyone who was assigned is a member, whether or not something was sent or seen (intent to treat).

    Attributes:
        statement: SQL with named placeholders. parameters: their values; names that start with ``outcome_`` are reserved.
        has_click: it also selects ``click_windows``, a multirange of the times after clicks on links of the messages in which orders are
            attributed to them; null without a click.
        has_predicted_value: it also selects ``predicted_value`` as it was before ``since``; null if it was unknown.
        has_assigned_at: it also selects ``assigned_at``, from which on the group made a difference, if that was before ``since``; what
            happened between them is neither an outcome nor known before the assignment.
        has_parts: it also selects ``parts``, a text array with the parts of a breakdown to which the customer belonged at ``since``.
    """

    statement: sql.Composable
    parameters: Mapping[str, Any] = field(default_factory=dict)
    has_click: bool = False
    has_predicted_value: bool = False
    has_assigned_at: bool = False
    has_parts: bool = False

    def build_query(self) -> sql.Composable:
        """Return the query with all columns, and the window cut at the present."""
        return sql.SQL(
            "SELECT s.customer_id::bigint, s.member_group::text, s.since, least(s.until, %(outcome_as_of)s) AS until, "
            "{assigned_at} AS assigned_at, {assigned_at} - greatest(s.until - s.since, %(outcome_earlier)s) AS earlier, "
            "{click_windows} AS click_windows, "
            "{predicted} AS predicted_value, {parts} AS parts FROM ({statement}) AS s WHERE s.since <= %(outcome_as_of)s"
        ).format(
            assigned_at=sql.SQL("least(s.assigned_at, s.since)" if self.has_assigned_at else "s.since"),
            click_windows=sql.SQL("s.click_windows" if self.has_click else "NULL::tstzmultirange"),
            predicted=sql.SQL("coalesce(s.predicted_value, 0)::float8" if self.has_predicted_value else "0::float8"),
            parts=sql.SQL("ARRAY[''] || s.parts::text[]" if self.has_parts else "ARRAY['']"),
            statement=self.statement,
        )
