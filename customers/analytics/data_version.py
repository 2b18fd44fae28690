"""Which data a result is based on: equal versions mean equal results, on the same day."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from psycopg import sql

from config.foundation.shop.profile import get_time_zone, get_time_zone_name
from customers.analytics.outcomes.groups import CUSTOMER_SPLITS
from customers.analytics.questions.registry import Question
from customers.analytics.report_segments import find_segment_fields
from customers.lifecycle.facts.amounts import build_amount_currency
from customers.segments.membership_versions import read_membership_versions

READ_EXPORT = "SELECT max(id) FROM warehouse_exportrun WHERE finished_at IS NOT NULL AND error = ''"
# Each changes with what can change any result: appended events, new orders and changes of them, merged, split and erased customers,
# feedback. All of them read a few index entries.
DATA_CHANGES = (
    """SELECT number FROM warehouse_appendmark WHERE "table" = 'events'""",
    "SELECT max(id) FROM orders_order",
    "SELECT max(id) FROM orders_orderevent",
    "SELECT max(id) FROM orders_orderchange",
    "SELECT max(id) FROM identity_identitymerge",
    "SELECT count(*) FROM identity_identitymerge WHERE reverted_at IS NOT NULL",
    "SELECT count(*) FROM identity_customer WHERE erased_at IS NOT NULL",
    # of the rows for the moment at which a transaction with new ones is committed, of the sequence for all other changes
    "SELECT max(id) FROM feedback_review",
    "SELECT max(id) FROM feedback_surveyanswer",
    "SELECT last_value::text || is_called FROM feedback_changes",
)
# costs and categories; the products of an import have the time at which it began, which other changes can have passed when it ends
CATALOG_CHANGES = (
    "SELECT max(updated_at) FROM catalog_product",
    "SELECT max(id) FROM catalog_feedimport WHERE finished_at IS NOT NULL",
)
# a refresh of all profiles, and changes of stages between them
PROFILE_CHANGES = (
    "SELECT max(id) FROM lifecycle_lifecyclerun WHERE finished_at IS NOT NULL",
    "SELECT max(id) FROM lifecycle_stagetransition",
)
DIGITS = 24  # of the hash of all changes


@dataclass(frozen=True)
class DataVersion:
    """The version of the data that a result is based on.

    Attributes:
        export: the last one to the warehouse; 0 without one. changes: a hash of all that can change a result.
        context: the day and the time zone, on which periods depend. currency: of the amounts.
    """

    export: int
    changes: str
    context: str
    currency: str

    def __str__(self) -> str:
        return f"{self.export}.{self.changes} {self.context}{self.currency_suffix}"

    @property
    def currency_suffix(self) -> str:
        """How all versions with this currency end."""
        return f" {self.currency}"


def read_data_version(*, question: Question, parameters: Any, now: datetime) -> DataVersion:
    """Return the version of the data that a question with these parameters reads."""
    changes = [*DATA_CHANGES]
    if question.reads_catalog:
        changes += CATALOG_CHANGES
    if uses_profiles(parameters):
        changes += PROFILE_CHANGES
    statement = sql.SQL("SELECT ({export}), {currency}, ROW({changes})::text").format(
        export=sql.SQL(READ_EXPORT),
        currency=build_amount_currency(),
        changes=sql.SQL(", ").join(sql.SQL(f"({change})") for change in changes),
    )
    with connection.cursor() as cursor:
        cursor.execute(statement)
        export, currency, changed = cursor.fetchone()
    segments = read_membership_versions(set(find_segment_fields(parameters).values()))
    content = json.dumps([changed, segments], sort_keys=True, default=str)
    day = now.astimezone(get_time_zone()).date()
    return DataVersion(
        export=export or 0,
        changes=hashlib.sha256(content.encode()).hexdigest()[:DIGITS],
        context=f"{day} {get_time_zone_name()}",
        currency=currency,
    )


def uses_profiles(parameters: Any) -> bool:
    """Return whether a question splits customers by a property that they have now, such as the lifecycle stage."""
    breakdown = getattr(parameters, "breakdown", None)
    is_split = getattr(parameters, "split", "") in CUSTOMER_SPLITS
    return is_split or (breakdown is not None and breakdown.kind == "customer")
