"""The audience of a run: evaluated once, by one statement, into a temporary table from which the run is queued and counted."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL
from psycopg import sql

from config.foundation.shop.profile import get_time_zone
from customers.identity.models import Customer
from recommendations.campaigns.audience import query_reasons
from recommendations.campaigns.models import Campaign
from recommendations.campaigns.schedule import convert_local_time
from recommendations.measurement.assignment_records import record_audience
from recommendations.measurement.models import Assignment
from recommendations.sending.checks.quiet_hours import choose_time_zone

TABLE = "campaign_audience"
NOBODY = "SELECT 0::bigint AS id, ''::text AS reason, false AS is_held_out WHERE false"
COUNT_AUDIENCE = f"""
SELECT count(*), count(*) FILTER (WHERE reason = 'excluded'), count(*) FILTER (WHERE reason = 'not_reachable'),
       count(*) FILTER (WHERE reason = 'no_consent'), count(*) FILTER (WHERE reason = 'global_holdout'),
       count(*) FILTER (WHERE reason = '' AND is_held_out), count(*) FILTER (WHERE reason = '' AND NOT is_held_out)
FROM {TABLE}
"""  # noqa: S608 — constants
COUNT_BUYERS = f"""
SELECT count(*) FROM {TABLE} a
WHERE a.reason = '' AND EXISTS (
    SELECT FROM orders_order o
    WHERE o.customer_id = a.id AND o.kind = 'sale' AND o.status <> 'cancelled' AND o.placed_at >= %s AND o.placed_at < %s
)
"""  # noqa: S608 — constants
LIST_ZONES = f"""
SELECT coalesce(c.traits ->> 'time_zone', c.traits ->> 'timezone', ''), c.country
FROM {TABLE} a JOIN identity_customer c ON c.id = a.id WHERE a.reason = '' GROUP BY 1, 2
"""  # noqa: S608 — constants
ELIGIBLE = f"SELECT a.id FROM {TABLE} a WHERE a.reason = ''"  # noqa: S608 — constants
ELIGIBLE_IN_ZONES = f"""
SELECT a.id FROM {TABLE} a JOIN identity_customer c ON c.id = a.id
WHERE a.reason = ''
  AND (coalesce(c.traits ->> 'time_zone', c.traits ->> 'timezone', ''), c.country)
      IN (SELECT * FROM unnest(%s::text[], %s::text[]))
"""  # noqa: S608 — constants
ASSIGNED = sql.SQL(
    f"SELECT %(scope)s::bigint AS scope_id, id AS customer_id, is_held_out, %(share)s::float8 AS holdout_share FROM {TABLE} WHERE reason = ''"  # noqa: S608
)
INSERT_SKIPS = f"""
INSERT INTO sending_delivery
    (origin_kind, origin_id, customer_id, template_version_id, channel, due_at, priority, is_transactional, status, skip_reason, claim)
SELECT 'campaign', %s, id, %s, %s, %s, %s, %s, 'skipped', reason, 'launch' FROM {TABLE}
WHERE reason IN ('not_reachable', 'no_consent', 'global_holdout')
ON CONFLICT (origin_kind, origin_id, customer_id) DO NOTHING
"""  # noqa: S608 — constants


@dataclass(frozen=True)
class AudienceCounts:
    """The customers of a run by step. buyers: of the eligible, those who ordered in the attribution window before the run."""

    segment: int
    excluded: int
    not_reachable: int
    no_consent: int
    global_holdout: int
    held_out: int
    queued: int
    buyers: int

    def to_json(self) -> dict[str, int]:
        return asdict(self)


def freeze_audience(campaign: Campaign, *, as_of: datetime) -> AudienceCounts:
    """Fill the temporary table, which lasts until the transaction ends, and count it.

    Raises:
        ConditionError: a segment is not valid.
    """
    rows: QuerySet[Any, Any] = query_reasons(campaign, as_of).order_by()
    rows = rows.values_list("pk", "reason", "is_held_out")
    try:
        statement, parameters = rows.query.sql_with_params()
    except EmptyResultSet:  # a condition that nobody can match
        statement, parameters = NOBODY, ()
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS pg_temp.{TABLE}")
        cursor.execute(
            f"CREATE TEMPORARY TABLE {TABLE} ON COMMIT DROP AS SELECT * FROM ({statement}) AS a (id, reason, is_held_out)",  # noqa: S608
            parameters,
        )
        cursor.execute(f"ANALYZE pg_temp.{TABLE}")
        cursor.execute(COUNT_AUDIENCE)
        counts = cursor.fetchone()
        cursor.execute(COUNT_BUYERS, [as_of - timedelta(days=campaign.attribution_days), as_of])
        return AudienceCounts(*counts, *cursor.fetchone())


def record_assigned_audience(campaign: Campaign, *, at: datetime) -> None:
    """Store who is in which group, with what is known of the customers now."""
    record_audience(
        kind=Assignment.Kind.CAMPAIGN,
        audience=ASSIGNED,
        parameters={"scope": campaign.pk, "share": float(campaign.holdout_share)},
        at=at,
    )


def split_by_due_time(campaign: Campaign, *, scheduled_for: datetime) -> Iterator[tuple[datetime, QuerySet[Customer]]]:
    """Yield the eligible customers with the time at which their messages are due; several times if local times are used."""
    if not campaign.follows_local_time:
        yield scheduled_for, Customer.objects.filter(pk__in=RawSQL(ELIGIBLE, []))  # noqa: S611 — a constant
        return
    shop_zone = get_time_zone()
    with connection.cursor() as cursor:
        cursor.execute(LIST_ZONES)
        pairs = cursor.fetchall()
    by_due: dict[datetime, list[tuple[str, str]]] = defaultdict(list)
    for trait, country in pairs:
        by_due[find_due_time(scheduled_for, trait, country, shop_zone)].append((trait, country))
    for due_at, group in sorted(by_due.items()):
        traits, countries = map(list, zip(*group, strict=True))
        yield due_at, Customer.objects.filter(pk__in=RawSQL(ELIGIBLE_IN_ZONES, [traits, countries]))  # noqa: S611 — a constant


def find_due_time(scheduled_for: datetime, trait: str, country: str, shop_zone: ZoneInfo) -> datetime:
    zone = choose_time_zone(trait=trait, country=country, shop_zone=shop_zone)
    return convert_local_time(scheduled_for.astimezone(shop_zone), zone)


def insert_skips(*, run_id: int, template_version_id: int, campaign: Campaign, due_at: datetime) -> None:
    """Record the customers of the segment who are left out, with their reasons."""
    with connection.cursor() as cursor:
        cursor.execute(
            INSERT_SKIPS,
            [run_id, template_version_id, campaign.channel, due_at, campaign.priority, campaign.is_transactional],
        )
