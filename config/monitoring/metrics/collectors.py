"""Metrics that are read at a scrape: of jobs, data, models, servers and alarms. What cannot be read is left out."""

import logging
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from threading import Lock

import redis
from django.db import Error, InterfaceError, OperationalError
from django.db.models import Count, Max
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from config.backup.status import read_backup_status
from config.foundation.circuit_breakers.breaker import list_breakers
from config.foundation.database.statement_timeouts import is_lock_timeout, is_statement_timeout
from config.jobs.history import list_last_success, list_latest_runs
from config.jobs.models import ScheduledRun
from config.monitoring.check_age import measure_check_age
from config.monitoring.models import Alarm, AlarmState, Severity
from config.monitoring.server_state import list_disks, read_database_state, read_valkey_state
from customers.privacy.models import PrivacyRequest
from customers.warehouse.models import ExportRun
from recommendations.training.models import ModelVersion

logger = logging.getLogger(__name__)

BREAKER_STATES = ("closed", "half-open", "open")
KEPT_SECONDS = 10.0  # several scrapers, or a page that is reloaded, read the servers once


class OperationMetrics(Collector):
    """Reads the state of jobs, data and servers, at most once in ten seconds."""

    _kept: tuple[float, list[Metric]] = (0.0, [])
    _lock = Lock()

    def describe(self) -> list[Metric]:
        """Return nothing: registering must not read data, as the database may not exist yet."""
        return []

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            at, metrics = self._kept
            if time.monotonic() - at > KEPT_SECONDS or not metrics:
                metrics = read_all()
                type(self)._kept = (time.monotonic(), metrics)
        yield from metrics

    @classmethod
    def forget(cls) -> None:
        cls._kept = (0.0, [])


def read_all() -> list[Metric]:
    """Read what can be read. If the database does not respond once, it is not asked again: a scrape waits for ten seconds by default."""
    metrics: list[Metric] = []
    is_reachable = True
    for read in READERS:
        if not is_reachable and read not in READERS_WITHOUT_DATABASE:
            continue
        try:
            metrics += read(timezone.now())
        except (Error, OSError, redis.RedisError) as error:
            logger.warning("Metrics are left out (%s): %s", read.__name__, error)
            is_reachable = is_reachable and not is_unreachable(error)
    return metrics


def is_unreachable(error: Exception) -> bool:
    """Return whether the database did not respond at all, in contrast to a statement that took too long."""
    if isinstance(error, OperationalError):
        return not is_statement_timeout(error) and not is_lock_timeout(error)
    return isinstance(error, InterfaceError)


def gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"perennial_{name}", text, value)


def labeled_gauge(name: str, text: str, label: str, values: dict[str, float]) -> Metric:
    metric = GaugeMetricFamily(f"perennial_{name}", text, labels=[label])
    for key, value in values.items():
        metric.add_metric([key], value)
    return metric


def read_jobs(now: datetime) -> Iterator[Metric]:
    latest = list_latest_runs()
    success = list_last_success()
    yield labeled_gauge(
        "job_last_success_age_seconds",
        "Seconds since the last successful run of a job.",
        "job",
        {task: (now - at).total_seconds() for task, at in success.items() if at},
    )
    yield labeled_gauge(
        "job_last_seconds",
        "Duration of the last completed run of a job.",
        "job",
        {run.task: run.seconds for run in latest if run.seconds is not None},
    )
    yield labeled_gauge(
        "job_failed",
        "1 if the last run of a job failed.",
        "job",
        {run.task: float(run.status == ScheduledRun.Status.FAILED) for run in latest},
    )


def read_models(now: datetime) -> Iterator[Metric]:
    active = ModelVersion.objects.filter(status=ModelVersion.Status.ACTIVE).order_by()
    ages = {
        scenario: (now - at).total_seconds()
        for scenario, at in active.values_list("scenario").annotate(Max("as_of")).values_list("scenario", "as_of__max")
    }
    yield labeled_gauge(
        "model_age_seconds", "Age of the data that the active recommendation model was trained on.", "scenario", ages
    )


def read_warehouse(now: datetime) -> Iterator[Metric]:
    exported_at = ExportRun.objects.filter(error="").aggregate(at=Max("started_at"))["at"]
    if exported_at is not None:
        yield gauge(
            "warehouse_age_seconds",
            "Seconds since the last export to the warehouse.",
            (now - exported_at).total_seconds(),
        )


def read_database(now: datetime) -> Iterator[Metric]:
    state = read_database_state()
    yield gauge("database_bytes", "Size of the database.", state.size)
    yield gauge("database_connections", "Client connections of PostgreSQL.", state.connections)
    yield gauge("database_connections_max", "Setting max_connections of PostgreSQL.", state.max_connections)
    yield gauge(
        "database_longest_transaction_seconds", "Age of the oldest open transaction.", state.longest_transaction
    )
    yield gauge("database_standbys", "Connected standby servers.", state.standbys)
    yield gauge("database_standby_lag_seconds", "Replay lag of the slowest standby server.", state.standby_lag)


def read_valkey(now: datetime) -> Iterator[Metric]:
    state = read_valkey_state()
    yield gauge("valkey_bytes", "Memory that Valkey uses.", state.used)
    yield gauge("valkey_bytes_max", "Memory limit of Valkey; 0 without one.", state.limit)
    yield gauge("valkey_evicted_keys", "Keys that Valkey evicted since its start.", state.evicted)
    yield gauge("valkey_clients", "Connections of Valkey.", state.clients)


def read_disks(now: datetime) -> Iterator[Metric]:
    disks = list_disks()
    yield labeled_gauge(
        "disk_free_bytes", "Free space of a file system with data.", "path", {disk.path: disk.free for disk in disks}
    )
    yield labeled_gauge(
        "disk_bytes", "Size of a file system with data.", "path", {disk.path: disk.total for disk in disks}
    )


def read_alarms(now: datetime) -> Iterator[Metric]:
    counts = dict(
        Alarm.objects.exclude(state=AlarmState.RESOLVED)
        .order_by()
        .values("severity")
        .annotate(number=Count("pk"))
        .values_list("severity", "number")
    )
    yield labeled_gauge(
        "alarms", "Alarms that are not resolved.", "severity", {key: counts.get(key, 0) for key in Severity.values}
    )
    yield gauge(
        "alarm_check_age_seconds",
        "Seconds since the alarm rules were last checked, or since the installation if they never were.",
        measure_check_age(at=now),
    )


def read_breakers(now: datetime) -> Iterator[Metric]:
    counts = dict.fromkeys(BREAKER_STATES, 0.0)
    for breaker in list_breakers():
        counts[breaker.state] = counts.get(breaker.state, 0.0) + 1
    yield labeled_gauge("breakers", "Destinations with failures, by the state of their breaker.", "state", counts)


def read_backup(now: datetime) -> Iterator[Metric]:
    status = read_backup_status(now=now)
    if status.last_at is not None:
        yield gauge("backup_age_seconds", "Seconds since the last backup.", (now - status.last_at).total_seconds())


def read_privacy(now: datetime) -> Iterator[Metric]:
    yield gauge(
        "privacy_requests_overdue",
        "Privacy requests whose deadline has passed.",
        PrivacyRequest.objects.overdue(now).count(),
    )


READERS: list[Callable[[datetime], Iterator[Metric]]] = [
    read_jobs,
    read_models,
    read_warehouse,
    read_database,
    read_valkey,
    read_disks,
    read_alarms,
    read_breakers,
    read_backup,
    read_privacy,
]
READERS_WITHOUT_DATABASE = frozenset({read_valkey, read_disks, read_breakers})


def register_reader(read: Callable[[datetime], Iterator[Metric]]) -> None:
    """Add a function that reads metrics at each scrape; called when an app is ready."""
    if read not in READERS:
        READERS.append(read)
