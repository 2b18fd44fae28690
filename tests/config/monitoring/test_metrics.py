"""The metrics: every one that operators need, few labels, and the sum of all processes."""

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, ProgrammingError
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from config.foundation.http.deferred_response import DeferredResponse
from config.foundation.processes.log_context import get_log_context
from config.jobs.models import ScheduledRun
from config.monitoring.check_age import measure_check_age
from config.monitoring.error_rate import measure_error_rate
from config.monitoring.metrics import collectors
from config.monitoring.metrics.collectors import OperationMetrics
from config.monitoring.metrics.exposition import remove_files_of_dead_processes
from config.monitoring.metrics.request_classes import CLASSES, classify_path
from config.monitoring.metrics.requests import MeasuredApplication
from config.monitoring.models import Alarm, MonitoringState, RequestCountSample
from config.settings import BASE_DIR
from tests.config.monitoring.metric_names import read_metric_names


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v1/batch", "collector"),
        ("/api/v1/recommendations/for-you/", "recommendations"),
        ("/api/v1/search/autocomplete/", "search"),
        ("/api/v1/products/a/b/", "api"),
        ("/admin/customers/", "back_office"),
        ("/wp-login.php", "other"),
        ("/", "other"),
        ("", "other"),
    ],
)
def test_requests_have_one_of_few_classes(path: str, route: str) -> None:
    assert classify_path(path) == route
    assert route in CLASSES
    assert len(CLASSES) < 20


def call(application: Any, **environ: str) -> tuple[list[tuple[str, str]], Any]:
    seen: list[tuple[str, str]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        seen.extend([("status", status), *headers])

    result = application({"PATH_INFO": "/v1/batch", "REQUEST_METHOD": "POST", **environ}, start_response)
    if isinstance(result, DeferredResponse):
        result.send_later(lambda chunks: None)
    return seen, result


@pytest.mark.parametrize(
    ("given", "is_kept"), [("proxy-0001", True), ("short", False), ("a@shop.example.com", False), ("x" * 65, False)]
)
def test_a_request_has_an_id_in_its_logs_and_its_response(given: str, is_kept: bool) -> None:
    contexts = []

    def application(environ: Any, start_response: Any) -> list[bytes]:
        contexts.append(dict(get_log_context()))
        start_response("200 OK", [])
        return [b""]

    headers, _body = call(MeasuredApplication(application), HTTP_X_REQUEST_ID=given)
    request_id = dict(headers)["X-Request-ID"]
    assert contexts == [{"request_id": request_id}]
    assert (request_id == given) is is_kept
    assert get_log_context() == {}


def count_requests(status: str) -> float:
    from config.monitoring.metrics.requests import REQUESTS

    return sum(
        sample.value
        for sample in REQUESTS.collect()[0].samples
        if sample.name.endswith("_total") and sample.labels == {"route": "collector", "status": status}
    )


def test_a_response_that_is_sent_later_and_an_error_are_counted() -> None:
    def defer(environ: Any, start_response: Any) -> DeferredResponse:
        def send_later(send: Any) -> None:
            start_response("202 Accepted", [])
            send([b""])

        return DeferredResponse(send_later)

    def fail(environ: Any, start_response: Any) -> list[bytes]:
        raise RuntimeError("broken")

    before = count_requests("2xx"), count_requests("5xx")
    call(MeasuredApplication(defer))
    with pytest.raises(RuntimeError):
        call(MeasuredApplication(fail))
    assert (count_requests("2xx") - before[0], count_requests("5xx") - before[1]) == (1, 1)


@pytest.mark.django_db
def test_metrics_show_the_state_and_name_everything_that_dashboards_and_rules_use() -> None:
    now = timezone.now()
    OperationMetrics.forget()
    for task, status in (("one", "done"), ("one", "failed"), ("two", "done")):
        ScheduledRun.objects.create(
            task=task, status=status, started_at=now - timedelta(minutes=5), finished_at=now, seconds=2.0
        )
        now += timedelta(seconds=1)
    Alarm.objects.create(rule="disk_full", severity="critical", opened_at=now, seen_at=now)
    text = Client().get("/metrics").content.decode()
    OperationMetrics.forget()
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["perennial_job_failed", "one"] == 1
    assert samples["perennial_job_failed", "two"] == 0
    assert samples["perennial_job_last_seconds", "two"] == 2
    assert samples["perennial_alarms", "critical"] == 1
    assert samples["perennial_alarms", "warning"] == 0
    assert samples["perennial_database_bytes",] > 1_000_000
    names = {family.name for family in text_string_to_metric_families(text)}
    names |= {f"{name}_total" for name in names} | {f"{name}_bucket" for name in names}
    unknown = {name for name in read_metric_names() if name not in names}
    assert unknown - OPTIONAL == set()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OperationalError("couldn't get a connection after 3.00 sec"), ["jobs", "disks"]),
        (InterfaceError("connection already closed"), ["jobs", "disks"]),
        (ProgrammingError("column does not exist"), ["jobs", "disks", "alarms"]),
    ],
)
def test_a_scrape_waits_for_an_unreachable_database_only_once(
    monkeypatch: pytest.MonkeyPatch, error: Exception, expected: list[str]
) -> None:
    calls = []

    def read_jobs(now: datetime) -> list[Any]:
        calls.append("jobs")
        raise error

    def read_disks(now: datetime) -> list[Any]:
        calls.append("disks")
        return ["free"]

    def read_alarms(now: datetime) -> list[Any]:
        calls.append("alarms")
        return []

    monkeypatch.setattr(collectors, "READERS", [read_jobs, read_disks, read_alarms])
    monkeypatch.setattr(collectors, "READERS_WITHOUT_DATABASE", {read_disks})
    assert collectors.read_all() == ["free"]
    assert calls == expected


# without data: a model, an export
OPTIONAL = {"perennial_model_age_seconds", "perennial_warehouse_age_seconds"}


@pytest.mark.django_db
def test_rules_that_were_never_checked_are_as_old_as_the_installation() -> None:
    installed_at = MigrationRecorder.Migration.objects.earliest("applied").applied
    age = measure_check_age(at=installed_at + timedelta(hours=1))
    assert age == 3600
    MonitoringState.objects.create(pk=1, checked_at=installed_at + timedelta(minutes=50))
    assert measure_check_age(at=installed_at + timedelta(hours=1)) == 600


COUNT = """
import sys
from prometheus_client import Counter
Counter("perennial_http_requests", "", ["route", "status"]).labels("api", sys.argv[1]).inc(int(sys.argv[2]))
"""
READ = """
import json
from config.monitoring.metrics.exposition import build_counter_registry
families = [family for family in build_counter_registry().collect() if family.name == "perennial_http_requests"]
print(json.dumps({sample.labels["status"]: sample.value for family in families for sample in family.samples}))
"""


def run(code: str, folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, env=environment, cwd=BASE_DIR, check=True, capture_output=True, text=True).stdout


def test_the_counters_of_all_processes_are_added_also_of_those_that_ended(tmp_path: Path) -> None:
    run(COUNT, tmp_path, "2xx", "90")
    run(COUNT, tmp_path, "2xx", "10")
    assert json.loads(run(READ, tmp_path)) == {"2xx": 100}
    own = tmp_path / f"counter_{os.getpid()}.db"
    own.touch()
    assert remove_files_of_dead_processes(tmp_path) >= 2
    assert list(tmp_path.iterdir()) == [own]


@pytest.mark.django_db
def test_the_error_rate_is_that_of_five_minutes_and_survives_a_restart() -> None:
    now = timezone.now()

    def sample(minutes: int, requests: int, errors: int) -> None:
        RequestCountSample.objects.create(at=now + timedelta(minutes=minutes), requests=requests, errors=errors)

    assert measure_error_rate(now=now) is None
    sample(-20, 1000, 900)
    sample(-5, 2000, 900)
    sample(0, 2100, 930)
    rate = measure_error_rate(now=now)
    assert rate is not None
    assert (rate.requests, rate.errors, rate.share) == (100, 30, 0.3)
    sample(1, 50, 5)  # restarted
    rate = measure_error_rate(now=now + timedelta(minutes=1))
    assert rate is not None
    assert (rate.requests, rate.errors) == (50, 5)
