"""Measures the months of the report and stores them, so that no page counts a million customers."""

from collections.abc import Mapping, Sequence
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
from recommendations.sending.global_holdout.members import (
    COUNT_RETAINED,
    COUNT_WRITTEN,
    HOLDOUT,
    MARKETING,
    build_members,
)
from recommendations.sending.global_holdout.months import ResultWindow, build_total, list_windows
from recommendations.sending.global_holdout.recommendation_windows import (
    RECOMMENDATIONS,
    build_recommendation_members,
    build_recommendation_total,
    list_recommendation_windows,
)
from recommendations.sending.models import GlobalHoldoutChange, GlobalHoldoutResult

Subject = GlobalHoldoutResult.Subject
# returns and late orders of a month are counted for this long after its end
SETTLING = timedelta(days=14)


@dataclass(frozen=True)
class StoredGroup:
    """The outcomes of a group as they are stored.

    Attributes:
        written: customers who were sent marketing; messages: how many.
        earlier_buyers: customers who ordered in the three months before they joined the group; returned: those of them who order in the
            window. Both are None in results of earlier releases.
    """

    moments: GroupMoments
    written: int = 0
    messages: int = 0
    earlier_buyers: int | None = None
    returned: int | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "n": self.moments.n,
            "sums": self.moments.sums.tolist(),
            "products": self.moments.products.tolist(),
            "written": self.written,
            "messages": self.messages,
            "earlier_buyers": self.earlier_buyers,
            "returned": self.returned,
        }


def read_group(content: dict[str, Any]) -> StoredGroup:
    """Return a stored group; values that were not counted yet when it was stored are 0."""
    sums, products = np.array(content["sums"], np.float64), np.array(content["products"], np.float64)
    missing = len(OutcomeColumn) - len(sums)
    moments = GroupMoments(content["n"], np.pad(sums, (0, missing)), np.pad(products, (0, missing)))
    return StoredGroup(
        moments, content["written"], content["messages"], content.get("earlier_buyers"), content.get("returned")
    )


def measure_months(*, as_of: datetime, everything: bool = False) -> int:
    """Measure the months that are not final yet, and the whole time; return how many windows.

    everything: measure all months again, for example after an import of old orders.
    """
    return measure_marketing(as_of=as_of, everything=everything) + measure_recommendations(
        as_of=as_of, everything=everything
    )


def measure_marketing(*, as_of: datetime, everything: bool) -> int:
    """Measure the incremental lift of marketing; return the number of measured months."""
    changes = list(GlobalHoldoutChange.objects.all())
    windows = list_windows(changes, as_of=as_of, zone=get_time_zone())
    total = build_total(windows, changes, as_of=as_of)
    open_windows = choose_open_windows(Subject.MARKETING, windows, everything=everything)
    for window in [*open_windows, *([total] if total else [])]:
        shares = {MARKETING: window.rule.marketing_share, HOLDOUT: window.rule.held_out_share}
        store_result(
            measure_window(window, build_members(window), subject=Subject.MARKETING, shares=shares, as_of=as_of)
        )
    forget_other_results(Subject.MARKETING, windows)
    return len(open_windows)


def measure_recommendations(*, as_of: datetime, everything: bool) -> int:
    """Measure the incremental lift of recommendations, from the experiments that hold visitors out of them; return the number of measured months."""
    windows = list_recommendation_windows(as_of=as_of, zone=get_time_zone())
    total = build_recommendation_total(windows, as_of=as_of)
    open_windows = choose_open_windows(Subject.RECOMMENDATIONS, windows, everything=everything)
    for window in [*open_windows, *([total] if total else [])]:
        members = build_recommendation_members(window)
        shares = {RECOMMENDATIONS: 1 - window.held_out_share, HOLDOUT: window.held_out_share}
        store_result(measure_window(window, members, subject=Subject.RECOMMENDATIONS, shares=shares, as_of=as_of))
    forget_other_results(Subject.RECOMMENDATIONS, windows)
    return len(open_windows)


def choose_open_windows[W: ResultWindow](subject: Subject, windows: Sequence[W], *, everything: bool) -> list[W]:
    """Return the months whose results may still change, or all of them."""
    final = set() if everything else find_final_windows(subject)
    return [window for window in windows if (window.month, window.began_at) not in final]


def find_final_windows(subject: Subject) -> set[tuple[Any, datetime]]:
    """Return month and beginning of the results that no longer change."""
    stored = GlobalHoldoutResult.objects.filter(subject=subject, month__isnull=False).only(
        "month", "began_at", "until", "measured_at"
    )
    return {(result.month, result.began_at) for result in stored if result.measured_at >= result.until + SETTLING}


def forget_other_results(subject: Subject, windows: Sequence[ResultWindow]) -> None:
    """Delete the results of months that are no longer windows, for example after a change of the time zone."""
    known = {(window.month, window.began_at) for window in windows}
    stored = GlobalHoldoutResult.objects.filter(subject=subject).only("month", "began_at")
    other = [
        result.pk
        for result in stored
        if (result.month, result.began_at) not in known and (result.month is not None or not windows)
    ]
    GlobalHoldoutResult.objects.filter(pk__in=other).delete()


def measure_window(
    window: ResultWindow, members: Members, *, subject: Subject, shares: Mapping[str, float], as_of: datetime
) -> GlobalHoldoutResult:
    """Count the outcomes of both groups with two statements over a temporary table of the members.

    shares: the expected share of each group among all customers.
    """
    with transaction.atomic():
        members = store_members(members)
        counted = count_outcomes(members, as_of=as_of)
        written = count_written(members, as_of=as_of) if subject == Subject.MARKETING else {}
        retained = count_retained(members, as_of=as_of)
    return GlobalHoldoutResult(
        subject=subject,
        month=window.month,
        began_at=window.began_at,
        since=window.since,
        until=window.until,
        measured_at=as_of,
        currency=get_amount_currency(),
        margin_basis=counted.margin_basis,
        groups={
            group: StoredGroup(
                counted.get_group(group).moments, *written.get(group, (0, 0)), *retained.get(group, (0, 0))
            ).to_json()
            for group in shares
        },
        shares=dict(shares),
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


def count_retained(members: Members, *, as_of: datetime) -> dict[str, tuple[int, int]]:
    """Return how many customers of each group had ordered before they joined it, and how many of them order in the window."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT_RETAINED.format(members=members.build_query()), build_values(members, as_of=as_of))
        return {group: (earlier, returned) for group, earlier, returned in cursor.fetchall()}


def store_result(result: GlobalHoldoutResult) -> None:
    """Store a result; it replaces an earlier one of the same month and groups. There is only one result for the whole time."""
    keys = ("subject", "month", "began_at") if result.month else ("subject", "month")
    names = [field.name for field in GlobalHoldoutResult._meta.concrete_fields if field.name not in ("id", *keys)]
    GlobalHoldoutResult.objects.update_or_create(
        **{name: getattr(result, name) for name in keys}, defaults={name: getattr(result, name) for name in names}
    )
