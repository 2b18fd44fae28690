"""The rules as they are stored: read for a book, and a fingerprint that tells when the book is old."""

from datetime import datetime

from django.conf import settings
from django.db import connection

from recommendations.merchandising.models import Rule

# a rule about the age of products means others every hour, one about weekdays every day
FINGERPRINT = """
SELECT coalesce(md5(string_agg(
    concat_ws(' ', r::text, (r.starts_at IS NULL OR r.starts_at <= clock.now) AND (r.ends_at IS NULL OR clock.now < r.ends_at),
              CASE WHEN r.weekdays <> '{}' THEN to_char(clock.now AT TIME ZONE %(zone)s, 'ID') END,
              CASE WHEN r.new_within_days IS NOT NULL THEN to_char(clock.now AT TIME ZONE 'UTC', 'YYYYMMDDHH24') END),
    '|' ORDER BY r.id)), '')
FROM merchandising_rule r, (SELECT coalesce(%(now)s, statement_timestamp()) AS now) clock
WHERE r.enabled
"""


def load_rules() -> list[Rule]:
    """The rules that are switched on, in one query; whether their time has come is asked by the book."""
    return list(Rule.objects.filter(enabled=True))


def rules_fingerprint(*, now: datetime | None = None) -> str:
    """Changes when a rule that is switched on is made, changed or removed, and when one opens or closes; empty without rules.

    One query. now: the database's own clock unless it is given.
    """
    with connection.cursor() as cursor:
        cursor.execute(FINGERPRINT, {"now": now, "zone": settings.TIME_ZONE})
        return str(cursor.fetchone()[0])
