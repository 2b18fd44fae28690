"""What an operator's Prometheus asks at /metrics, read from the database when it asks."""

import logging
from collections.abc import Iterator

from django.db import Error
from django.utils import timezone
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from customers.processing.lag import measure_lag
from customers.processing.totals import read_tallies

logger = logging.getLogger(__name__)


class ProcessingMetrics(Collector):
    """How far behind the processing is, and what it has done since ever. A database that is gone leaves them out."""

    def describe(self) -> list[Metric]:
        """Nothing is read when this is registered: the database may not be there yet."""
        return []

    def collect(self) -> Iterator[Metric]:
        try:
            lag, tallies = measure_lag(at=timezone.now()), read_tallies()
        except Error as error:
            logger.warning("No figures of the processing: %s", error)
            return
        yield GaugeMetricFamily("perennial_outbox_events", "Events that wait to be processed.", lag.waiting)
        yield GaugeMetricFamily(
            "perennial_outbox_oldest_seconds", "How long the oldest of them has waited.", lag.oldest_seconds
        )
        processed = CounterMetricFamily(
            "perennial_processed", "What processed events became; kind events counts themselves.", labels=["kind"]
        )
        for name, value in sorted({"events": 0, **tallies}.items()):
            processed.add_metric([name], value)
        yield processed
