"""Incremental lift of recommendations: the months of the experiments that hold visitors out of recommendations, and who belongs to their groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db.models import QuerySet
from psycopg import sql

from recommendations.experiments.members import PEOPLE
from recommendations.experiments.models import Experiment
from recommendations.measurement.outcomes.members import Members
from recommendations.sending.global_holdout.months import ResultWindow, find_next_month, start_month
from recommendations.serving.experiments.names import HOLDOUT as HOLDOUT_KIND

RECOMMENDATIONS = "recommendations"
# People count from their first exposure. Until then, only chance separates the groups; earlier purchases are used to adjust the difference.
MEMBERS = sql.SQL("""
SELECT p.customer_id, CASE WHEN p.variant_id = ANY(%(controls)s) THEN 'holdout' ELSE 'recommendations' END AS member_group,
       p.since AS assigned_at, greatest(p.since, %(since)s::timestamptz) AS since, %(until)s::timestamptz AS until
FROM ({people}) AS p WHERE p.since < %(until)s
""")


@dataclass(frozen=True)
class RecommendationWindow(ResultWindow):
    """The part of a month in which an experiment ran. controls: the variants without recommendations."""

    experiment_id: int
    controls: tuple[int, ...]
    held_out_share: float


def list_holdouts() -> QuerySet[Experiment]:
    """Return the started experiments that hold visitors out of recommendations, latest first.

    Bandits are left out: their shares change, so their groups cannot be compared within a month.
    """
    started = Experiment.objects.filter(kind=HOLDOUT_KIND, method=Experiment.Method.FIXED, started_at__isnull=False)
    return started.order_by("-started_at", "-pk")


def list_recommendation_windows(*, as_of: datetime, zone: ZoneInfo) -> list[RecommendationWindow]:
    """Return the months of all these experiments, oldest first; the first and the last one of an experiment are parts of a month."""
    windows: list[RecommendationWindow] = []
    for experiment in reversed(list_holdouts().prefetch_related("variants")):
        started_at, stopped_at = experiment.started_at, experiment.stopped_at
        controls = [variant for variant in experiment.variants.all() if variant.is_control]
        assert started_at is not None
        month = started_at.astimezone(zone).date().replace(day=1)
        while (since := max(start_month(month, zone), started_at)) < min(as_of, stopped_at or as_of):
            following = find_next_month(month)
            end = start_month(following, zone)
            windows.append(
                RecommendationWindow(
                    month,
                    started_at,
                    since,
                    min(end, stopped_at or end),
                    experiment.pk,
                    tuple(variant.pk for variant in controls),
                    float(sum(variant.share for variant in controls)),
                )
            )
            month = following
    return windows


def build_recommendation_total(
    windows: Sequence[RecommendationWindow], *, as_of: datetime
) -> RecommendationWindow | None:
    """Return the window of the whole latest experiment; None without a month."""
    if not windows:
        return None
    last = windows[-1]
    return RecommendationWindow(
        None,
        last.began_at,
        last.began_at,
        min(last.until, as_of),
        last.experiment_id,
        last.controls,
        last.held_out_share,
    )


def build_recommendation_members(window: RecommendationWindow) -> Members:
    """Return everyone exposed before the end of a window; each counts from the first exposure or the start of the window, if that is later."""
    values = {
        "experiment": window.experiment_id,
        "controls": list(window.controls),
        "since": window.since,
        "until": window.until,
    }
    return Members(MEMBERS.format(people=PEOPLE), values, has_assigned_at=True)
