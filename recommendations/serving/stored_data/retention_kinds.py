"""How long impressions, exposures and the records of their jobs are kept."""

from datetime import datetime

from django.conf import settings
from django.utils.translation import gettext_lazy

from config.foundation.retention.aged_rows import AgedRows, preview_moments, preview_partitions
from config.foundation.retention.kinds import RetentionKind, RetentionPreview, register_retention
from recommendations.serving.impressions import retention

FIND_UNITS = """
SELECT x.stopped_at FROM experiments_experiment x JOIN experiments_experimentexposure e ON e.experiment_id = x.id
WHERE x.status IN ('stopped', 'promoted') AND x.stopped_at < %(before)s AND e.unit_key ~ '^(user_id|anonymous_id):'
"""
RUNS = AgedRows("serving.PerformanceRun", "started_at")


def purge_impressions(before: datetime) -> int:
    """Drop or delete old impressions, and delete the daily figures by product."""
    _dropped, deleted = retention.purge_impressions(before=before)
    return deleted + retention.purge_product_performance(before=before.date())


def preview_units(before: datetime) -> RetentionPreview:
    return preview_moments(FIND_UNITS, {"before": before})


register_retention(
    RetentionKind(
        key="impressions",
        label=gettext_lazy("Impressions and clicks of recommendations"),
        note=gettext_lazy("Impressions and daily figures by product are deleted. Daily figures of placements remain."),
        default_days=settings.IMPRESSION_RETENTION_DAYS,
        min_days=settings.RECOMMEND_ATTRIBUTION_DAYS,
        preview=lambda before: preview_partitions(retention.IMPRESSION_PARTITIONS, before),
        purge=purge_impressions,
        order=30,
    ),
    RetentionKind(
        key="experiment_exposures",
        label=gettext_lazy("Exposures to experiments"),
        note=gettext_lazy(
            "After the experiment ends, the identifiers of visitors are removed. Each customer's group is kept so that the "
            "result can be computed again."
        ),
        default_days=settings.IMPRESSION_RETENTION_DAYS,
        min_days=30,
        preview=preview_units,
        purge=lambda before: retention.forget_experiment_units(before=before),
        order=31,
    ),
    RetentionKind(
        key="performance_runs",
        label=gettext_lazy("Runs that counted recommendations"),
        note=gettext_lazy("The latest successful run is kept."),
        default_days=60,
        preview=RUNS.preview,
        purge=lambda before: retention.purge_runs(before=before),
        order=74,
    ),
)
