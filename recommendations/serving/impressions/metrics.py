"""What Prometheus asks about impressions: how many wait to be stored, and what was lost on the way."""

import logging
from collections.abc import Iterator

from django.utils import timezone
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from config.foundation.valkey import ValkeyDownError
from recommendations.serving.impressions.stream import measure_wait

logger = logging.getLogger(__name__)


class ImpressionMetrics(Collector):
    """Read from Valkey when it is asked; Valkey down leaves them out."""

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        try:
            wait = measure_wait(at=timezone.now())
        except ValkeyDownError as error:
            logger.warning("No figures of impressions: %s", error)
            return
        yield GaugeMetricFamily("perennial_impressions_waiting", "Impressions that wait to be stored.", wait.entries)
        yield GaugeMetricFamily(
            "perennial_impressions_oldest_seconds", "How long the oldest of them has waited.", wait.oldest_seconds
        )
        lost = CounterMetricFamily(
            "perennial_impressions_lost",
            "Impressions that were never stored: dropped while Valkey was down, trimmed because nobody stored them, damaged.",
            labels=["why"],
        )
        for why in ("dropped", "trimmed", "damaged"):
            lost.add_metric([why], getattr(wait, why))
        yield lost
