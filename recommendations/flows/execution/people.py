"""What steps need to know about customers: the time zone, the best hour, and whether they match a condition."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from django.db import connection

from config.foundation.database.array_parameters import format_bigint_list
from config.foundation.shop.profile import get_time_zone
from customers.identity.models import Customer
from customers.segments.conditions.compiler import compile_condition
from customers.segments.conditions.condition_tree import ConditionError
from recommendations.sending.checks.quiet_hours import choose_time_zone

logger = logging.getLogger(__name__)

DEFAULT_BEST_HOUR = "10:00"

READ_PEOPLE = """
SELECT c.id, COALESCE(c.traits ->> 'time_zone', c.traits ->> 'timezone', ''), c.country, p.favorite_hours::text
FROM identity_customer c LEFT JOIN lifecycle_customerprofile p ON p.customer_id = c.id
WHERE c.id = ANY(%s::bigint[]) AND c.erased_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class FlowPerson:
    """A customer as the steps of a flow see it. favorite_hours: a JSON text, or None without a profile."""

    zone: ZoneInfo
    favorite_hours: str | None


def read_people(customer_ids: Sequence[int]) -> dict[int, FlowPerson]:
    """Return the customers who still exist and are not erased."""
    shop_zone = get_time_zone()
    with connection.cursor() as cursor:
        cursor.execute(READ_PEOPLE, [format_bigint_list(customer_ids)])
        return {
            customer_id: FlowPerson(choose_time_zone(trait=trait, country=country, shop_zone=shop_zone), hours)
            for customer_id, trait, country, hours in cursor.fetchall()
        }


def find_best_hour(person: FlowPerson) -> tuple[str, ZoneInfo]:
    """Return the hour at which a customer orders most often, as HH:MM, and its time zone: the shop's, in which orders are counted."""
    favorites = msgspec.json.decode(person.favorite_hours or "[]")
    if favorites:
        return f"{int(favorites[0][0]):02d}:00", get_time_zone()
    return DEFAULT_BEST_HOUR, person.zone


def select_matching(condition: Mapping[str, Any], customer_ids: Sequence[int], *, as_of: datetime) -> set[int]:
    """Return those of the customers who match a condition; nobody if it is no longer valid, which is logged."""
    if not customer_ids:
        return set()
    if condition == {"all": []}:
        return set(customer_ids)
    try:
        matches = compile_condition(condition, as_of=as_of, customer_ids=customer_ids)
    except ConditionError as error:
        logger.warning("A condition of a flow is not valid, so nobody matches it: %s", error)
        return set()
    return set(Customer.objects.filter(matches, pk__in=customer_ids).order_by().values_list("pk", flat=True))
