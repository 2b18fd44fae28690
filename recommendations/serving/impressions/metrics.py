"""Prometheus metrics of impressions: how many wait to be stored, and how many were lost."""

import logging
from collections.abc import Iterator

from django.utils import timezone
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from config.foundation.valkey import ValkeyDownError
from recommendations.serving.impressions.stream import measure_backlog

logger = logging.getLogger(__name__)


class ImpressionMetrics(Collector):
    """Read from Valkey on each scrape; omitted while Valkey is down."""

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        try:
            backlog = measure_backlog(at=timezone.now())
        except ValkeyDownError as error:
            logger.warning("Impression metrics are unavailable: %s", error)
            return
        yield GaugeMetricFamily("perennial_impressions_waiting", "Impressions waiting to be stored.", backlog.entries)
        yield GaugeMetricFamily(
            "perennial_impressions_oldest_seconds", "Age of the oldest waiting impression.", backlog.oldest_seconds
        )
        lost = CounterMetricFamily(
            "perennial_impressions_lost",
            "Impressions that were never stored: dropped while Valkey was down, trimmed from the stream, or damaged.",
            labels=["why"],
        )
        for why in ("dropped", "trimmed", "damaged"):
            lost.add_metric([why], getattr(backlog, why))
        yield lost
