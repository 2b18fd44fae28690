"""Read the stored rules, and a fingerprint that changes when a compiled rule book is outdated."""

from datetime import datetime

from django.db import connection

from config.foundation.shop.profile import get_time_zone_name
from recommendations.merchandising.models import Rule

# A rule on the age of products matches different products every hour, a rule with weekdays changes every day. Computed by the
# database, because workers ask every second and the rules themselves may be large.
FINGERPRINT_SQL = """
SELECT coalesce(md5(string_agg(
    concat_ws(' ', r::text, (r.starts_at IS NULL OR r.starts_at <= clock.now) AND (r.ends_at IS NULL OR clock.now < r.ends_at),
              CASE WHEN r.weekdays <> '{}' THEN to_char(clock.now AT TIME ZONE %(zone)s, 'ID') END,
              CASE WHEN r.new_within_days IS NOT NULL THEN to_char(clock.now AT TIME ZONE 'UTC', 'YYYYMMDDHH24') END),
    '|' ORDER BY r.id)), '')
FROM merchandising_rule r, (SELECT coalesce(%(now)s, statement_timestamp()) AS now) clock
WHERE r.enabled
"""


def load_rules() -> list[Rule]:
    """Return the enabled rules in one query; the rule book checks their schedules."""
    return list(Rule.objects.filter(enabled=True))


def read_rules_fingerprint(*, now: datetime | None = None) -> str:
    """Return a text that changes when a compiled rule book is outdated; "" without rules.

    It changes when an enabled rule is added, changed or deleted, or opens or closes. One query. now: by default the
    clock of the database.
    """
    with connection.cursor() as cursor:
        cursor.execute(FINGERPRINT_SQL, {"now": now, "zone": get_time_zone_name()})
        return str(cursor.fetchone()[0])
