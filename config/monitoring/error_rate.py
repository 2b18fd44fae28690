"""The share of requests that end with a server error, from samples of the request counters."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from config.monitoring.metrics.exposition import build_counter_registry, is_shared
from config.monitoring.models import RequestCountSample

WINDOW = timedelta(minutes=5)
RETENTION = timedelta(days=1)
METRIC = "perennial_http_requests"


@dataclass(frozen=True)
class ErrorRate:
    """Requests and errors between two samples."""

    requests: int
    errors: int

    @property
    def share(self) -> float:
        return self.errors / self.requests if self.requests else 0.0


def count_requests() -> tuple[int, int]:
    """Return how many requests the processes of this machine have answered, and how many with a server error."""
    requests = errors = 0
    for family in build_counter_registry().collect():
        if family.name == METRIC:
            for sample in family.samples:
                if sample.name == f"{METRIC}_total":
                    requests += int(sample.value)
                    errors += int(sample.value) if sample.labels["status"] == "5xx" else 0
    return requests, errors


def take_sample(*, now: datetime) -> RequestCountSample | None:
    """Store the current counters, and delete old samples; do nothing in a process that sees only its own counters."""
    if not is_shared():
        return None
    requests, errors = count_requests()
    RequestCountSample.objects.filter(at__lt=now - RETENTION).delete()
    return RequestCountSample.objects.update_or_create(at=now, defaults={"requests": requests, "errors": errors})[0]


def measure_error_rate(*, now: datetime) -> ErrorRate | None:
    """Return requests and errors of the last five minutes; None without two samples. Allows for counters that restarted at zero."""
    samples = list(
        RequestCountSample.objects.filter(at__lte=now, at__gte=now - WINDOW - timedelta(minutes=1)).order_by("at")
    )
    if len(samples) < 2:
        return None
    first, last = samples[0], samples[-1]
    if last.requests < first.requests or last.errors < first.errors:
        return ErrorRate(last.requests, last.errors)
    return ErrorRate(last.requests - first.requests, last.errors - first.errors)
