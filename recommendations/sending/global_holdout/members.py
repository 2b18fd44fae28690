"""Who belongs to the groups of a window: everyone who could be sent messages, whether or not anything was sent.

Customers become members when they can be sent messages for the first time since the holdout group began, and stay: consent withdrawn or
an address suppressed later may be an effect of the messages, which the holdout group did not get.
"""

from collections.abc import Sequence

from psycopg import sql

from customers.identity.consent.regions import format_effective_consent, get_consent_rules
from customers.identity.models import Consent
from recommendations.measurement.assignment import BUCKET_SQL
from recommendations.measurement.outcomes.members import Members
from recommendations.sending.checks.candidates import WECOM_TRAIT
from recommendations.sending.global_holdout.history import SaltRange
from recommendations.sending.global_holdout.months import HoldoutWindow

MARKETING, HOLDOUT = "marketing", "holdout"
PURPOSES = (Consent.Purpose.EMAIL, Consent.Purpose.SMS, Consent.Purpose.PUSH)

MEMBERS = sql.SQL("""
WITH consented AS (
    SELECT customer_id, purpose, min(recorded_at) AS at FROM (
        SELECT * FROM (
            SELECT DISTINCT ON (customer_id, purpose) customer_id, purpose, status, recorded_at FROM identity_consent
            WHERE purpose = ANY(%(purposes)s) AND recorded_at <= %(began_at)s
            ORDER BY customer_id, purpose, recorded_at DESC, id DESC
        ) AS latest
        UNION ALL
        SELECT customer_id, purpose, status, recorded_at FROM identity_consent
        WHERE purpose = ANY(%(purposes)s) AND recorded_at > %(began_at)s AND recorded_at <= %(joined_until)s
    ) AS entry
    WHERE status = 'granted' GROUP BY 1, 2
    {assumed}
),
addressed AS (
    SELECT c.id AS customer_id, address.purpose, coalesce(min(i.created_at), c.created_at) AS at
    FROM identity_customer c
    CROSS JOIN LATERAL (VALUES ('email', 'email_hash', 'email', c.email), ('sms', 'phone_hash', 'phone', c.phone))
        AS address (purpose, kind, suppression_kind, value)
    LEFT JOIN identity_identifier i ON i.customer_id = c.id AND i.kind = address.kind
    LEFT JOIN sending_suppression s
        ON s.kind = address.suppression_kind AND s.value_hash = i.value AND s.added_at <= %(began_at)s
    WHERE c.erased_at IS NULL AND address.value <> ''
    GROUP BY c.id, address.purpose HAVING count(s.id) = 0
    UNION ALL
    SELECT customer_id, 'push', min(created_at) FROM sending_pushsubscription GROUP BY 1
    UNION ALL
    SELECT id, 'push', created_at FROM identity_customer WHERE erased_at IS NULL AND traits ->> %(wecom)s > ''
),
writable AS (
    SELECT customer_id, greatest(min(greatest(c.at, a.at)), %(began_at)s) AS assigned_at
    FROM consented c JOIN addressed a USING (customer_id, purpose)
    GROUP BY 1 HAVING min(greatest(c.at, a.at)) <= %(joined_until)s
)
SELECT customer_id, assigned_at, CASE WHEN {held_out} THEN 'holdout' ELSE 'marketing' END AS member_group,
       {since} AS since, %(until)s AS until
FROM writable WHERE ({held_out}) OR ({marketing})
""")
# customers whose region requires no consent to messages, as long as the ledger has no entry for them
ASSUMED = sql.SQL("""
    UNION ALL
    SELECT c.id, p.purpose, c.created_at FROM identity_customer c CROSS JOIN unnest(%(purposes)s::text[]) AS p (purpose)
    WHERE NOT EXISTS (
        SELECT FROM identity_consent k
        WHERE k.customer_id = c.id AND k.purpose = p.purpose AND k.recorded_at <= %(joined_until)s
    ) AND {effective}
""")
COUNT_WRITTEN = sql.SQL("""
WITH member AS MATERIALIZED ({members})
SELECT m.member_group, count(DISTINCT m.customer_id), count(*)
FROM member m JOIN sending_delivery d ON d.customer_id = m.customer_id
WHERE d.claimed_at IS NOT NULL AND NOT d.is_transactional AND d.sent_at >= m.since AND d.sent_at < m.until
GROUP BY 1
""")
# Only orders before the group was drawn define the customers to be retained: later ones can themselves be an effect of marketing.
COUNT_RETAINED = sql.SQL("""
WITH member AS MATERIALIZED ({members}),
bought AS MATERIALIZED (
    SELECT m.customer_id, bool_or(o.placed_at < m.assigned_at) AS is_earlier, bool_or(o.placed_at >= m.since) AS is_returning
    FROM member m JOIN orders_order o ON o.customer_id = m.customer_id AND o.placed_at >= m.earlier AND o.placed_at < m.until
    WHERE o.kind = 'sale' AND o.status <> 'cancelled' GROUP BY 1
)
SELECT m.member_group, count(*), count(*) FILTER (WHERE b.is_returning)
FROM member m JOIN bought b ON b.customer_id = m.customer_id AND b.is_earlier
GROUP BY 1
""")


def build_members(window: HoldoutWindow) -> Members:
    """Return the members of a month: those who could be sent messages at its start. For the whole time: those who could at any moment of it."""
    ranges = window.rule.ranges
    rules = get_consent_rules()
    may_assume = any(rules.may_assume(purpose) for purpose in PURPOSES)
    effective = format_effective_consent(customer="c.id", country="c.country", purpose="p.purpose")
    statement = MEMBERS.format(
        assumed=ASSUMED.format(effective=sql.SQL(effective)) if may_assume else sql.SQL(""),
        held_out=build_condition(ranges, "< {smallest}"),
        marketing=build_condition(ranges, ">= {largest}"),
        since=sql.SQL("%(since)s" if window.month else "assigned_at"),
    )
    parameters = {
        "purposes": list(PURPOSES),
        "wecom": WECOM_TRAIT,
        "began_at": window.began_at,
        "since": window.since,
        "until": window.until,
        "joined_until": window.since if window.month else window.until,
        **(rules.make_parameters() if may_assume else {}),
    }
    return Members(statement, parameters, has_assigned_at=True)


def build_condition(ranges: Sequence[SaltRange], comparison: str) -> sql.Composable:
    """Return the condition that the bucket of every salt fulfills the comparison."""
    return sql.SQL(" AND ").join(
        sql.SQL("{bucket} {comparison}").format(
            bucket=sql.SQL(BUCKET_SQL % {"expressions": "{} || customer_id::text"}).format(
                sql.Literal(f"{entry.salt}:")
            ),
            comparison=sql.SQL(comparison).format(
                smallest=sql.Literal(entry.smallest), largest=sql.Literal(entry.largest)
            ),
        )
        for entry in ranges
    )
