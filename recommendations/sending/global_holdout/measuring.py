"""Measures the months of the report and stores them, so that no page counts a million customers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection, transaction
from psycopg import sql

from config.foundation.shop.profile import get_time_zone
from customers.lifecycle.facts.amounts import get_amount_currency
from recommendations.measurement.outcomes.columns import OutcomeColumn
from recommendations.measurement.outcomes.counting import build_values, count_outcomes
from recommendations.measurement.outcomes.members import Members
from recommendations.measurement.statistics.moments import GroupMoments
from recommendations.sending.global_holdout.members import COUNT_WRITTEN, HOLDOUT, MARKETING, build_members
from recommendations.sending.global_holdout.months import HoldoutWindow, build_total, list_windows
from recommendations.sending.models import GlobalHoldoutChange, GlobalHoldoutResult

# returns and late orders of a month are counted for so long after its end
SETTLING = timedelta(days=14)


@dataclass(frozen=True)
class StoredGroup:
    """The outcomes of a group as they are stored. written: customers who were sent marketing; messages: how many."""

    moments: GroupMoments
    written: int = 0
    messages: int = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "n": self.moments.n,
            "sums": self.moments.sums.tolist(),
            "products": self.moments.products.tolist(),
            "written": self.written,
            "messages": self.messages,
        }


def read_group(content: dict[str, Any]) -> StoredGroup:
    """Return a stored group; values that were not counted yet when it was stored are 0."""
    sums, products = np.array(content["sums"], np.float64), np.array(content["products"], np.float64)
    missing = len(OutcomeColumn) - len(sums)
    moments = GroupMoments(content["n"], np.pad(sums, (0, missing)), np.pad(products, (0, missing)))
    return StoredGroup(moments, content["written"], content["messages"])


def measure_months(*, as_of: datetime, everything: bool = False) -> int:
    """Measure the months that are not final yet, and the whole time; return how many windows.

    everything: measure all months again, as after an import of old orders.
    """
    changes = list(GlobalHoldoutChange.objects.all())
    windows = list_windows(changes, as_of=as_of, zone=get_time_zone())
    total = build_total(windows, changes, as_of=as_of)
    final = set() if everything else find_final_windows()
    open_windows = [window for window in windows if (window.month, window.began_at) not in final]
    for window in [*open_windows, *([total] if total else [])]:
        store_result(measure_window(window, as_of=as_of))
    forget_other_results(windows)
    return len(open_windows)


def find_final_windows() -> set[tuple[Any, datetime]]:
    """Return month and beginning of the results that no longer change."""
    stored = GlobalHoldoutResult.objects.filter(
        subject=GlobalHoldoutResult.Subject.MARKETING, month__isnull=False
    ).only("month", "began_at", "until", "measured_at")
    return {(result.month, result.began_at) for result in stored if result.measured_at >= result.until + SETTLING}


def forget_other_results(windows: Sequence[HoldoutWindow]) -> None:
    """Delete the results of months that are no windows any more, such as those of another time zone."""
    stored = GlobalHoldoutResult.objects.filter(subject=GlobalHoldoutResult.Subject.MARKETING)
    if windows:
        stored = stored.filter(month__isnull=False).exclude(month__in=[window.month for window in windows])
    stored.delete()


def measure_window(window: HoldoutWindow, *, as_of: datetime) -> GlobalHoldoutResult:
    """Count the outcomes of both groups, by two statements over a temporary table of the members."""
    with transaction.atomic():
        members = store_members(build_members(window))
        counted = count_outcomes(members, as_of=as_of)
        written = count_written(members, as_of=as_of)
    return GlobalHoldoutResult(
        month=window.month,
        began_at=window.began_at,
        since=window.since,
        until=window.until,
        measured_at=as_of,
        currency=get_amount_currency(),
        margin_basis=counted.margin_basis,
        groups={
            group: StoredGroup(counted.get_group(group).moments, *written.get(group, (0, 0))).to_json()
            for group in (MARKETING, HOLDOUT)
        },
        shares={MARKETING: window.rule.marketing_share, HOLDOUT: window.rule.held_out_share},
    )


def store_members(members: Members) -> Members:
    """Store the members in a temporary table until the end of the transaction, and return them from there.

    The database cannot estimate how many there are: it expected one row where there were 1,800, and the counting took two minutes.
    """
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS global_holdout_member")
        cursor.execute(
            sql.SQL("CREATE TEMPORARY TABLE global_holdout_member ON COMMIT DROP AS {}").format(members.statement),
            members.parameters,
        )
        cursor.execute("ANALYZE global_holdout_member")
    return replace(members, statement=sql.SQL("SELECT * FROM global_holdout_member"), parameters={})


def count_written(members: Members, *, as_of: datetime) -> dict[str, tuple[int, int]]:
    """Return how many customers of each group were sent marketing, and how many messages."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT_WRITTEN.format(members=members.build_query()), build_values(members, as_of=as_of))
        return {group: (customers, messages) for group, customers, messages in cursor.fetchall()}


def store_result(result: GlobalHoldoutResult) -> None:
    """Store a result in the place of an earlier one of the same month."""
    names = [
        field.name
        for field in GlobalHoldoutResult._meta.concrete_fields
        if field.name not in ("id", "subject", "month")
    ]
    GlobalHoldoutResult.objects.update_or_create(
        subject=result.subject, month=result.month, defaults={name: getattr(result, name) for name in names}
    )
