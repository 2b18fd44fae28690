"""Prometheus metrics of event processing, read from the database at each scrape of /metrics."""

import logging
from collections.abc import Iterator

from django.db import Error
from django.utils import timezone
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from customers.processing.lag import measure_lag
from customers.processing.totals import read_totals

logger = logging.getLogger(__name__)


class ProcessingMetrics(Collector):
    """The processing lag and the totals of processed events.

    They are omitted while the database is unreachable.
    """

    def describe(self) -> list[Metric]:
        """Return nothing: registering must not read data, as the database may not exist yet."""
        return []

    def collect(self) -> Iterator[Metric]:
        try:
            lag, totals = measure_lag(at=timezone.now()), read_totals()
        except Error as error:
            logger.warning("Metrics of event processing are unavailable: %s", error)
            return
        yield GaugeMetricFamily("perennial_outbox_events", "Events waiting to be processed.", lag.waiting)
        yield GaugeMetricFamily(
            "perennial_outbox_oldest_seconds", "Seconds that the oldest event has waited.", lag.oldest_seconds
        )
        processed = CounterMetricFamily(
            "perennial_processed",
            "Results of event processing by kind; kind=events is the number of events.",
            labels=["kind"],
        )
        for name, value in sorted({"events": 0, **totals}.items()):
            processed.add_metric([name], value)
        yield processed
