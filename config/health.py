"""Health checks for operators and load balancers: is the process alive, and is it ready to serve?"""

from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.utils import timezone

from config.access.protected_views import may_read_metrics
from config.foundation.database.valkey_address import open_valkey
from config.jobs.history import list_latest_runs
from config.jobs.models import ScheduledRun
from config.monitoring.check_age import MAX_CHECK_AGE_SECONDS, measure_check_age
from config.monitoring.models import Alarm, AlarmState, MonitoringState, Severity
from config.monitoring.server_state import list_disks
from customers.processing.lag import measure_lag
from recommendations.serving.state.loader import loader

VALKEY_SECONDS = 0.5


def report_liveness(request: HttpRequest) -> JsonResponse:
    """Return 200 while the process can handle requests."""
    return JsonResponse({"status": "live"})


def report_readiness(request: HttpRequest) -> JsonResponse:
    """Return 200 if PostgreSQL is reachable and this process has loaded the catalog and, if there is one, the model; otherwise 503.

    Valkey is reported too, but serving works without it. Recommendations are answered before the model is loaded, with fallbacks.
    """
    checks = {
        "database": is_database_reachable(),
        "recommendations": loader.is_ready,
        "valkey": is_valkey_reachable(),
    }
    is_ready = checks["database"] and checks["recommendations"]
    return JsonResponse({"status": "ready" if is_ready else "not ready", **checks}, status=200 if is_ready else 503)


def report_details(request: HttpRequest) -> JsonResponse:
    """Return the state of servers, jobs and data to clients that may read the metrics; 503 if something is down or an alarm is critical.

    It is 503 too if nobody checks the alarm rules, as no alarm would be raised then. Load balancers use `report_readiness` instead.
    """
    if not may_read_metrics(request):
        return JsonResponse({"status": "refused"}, status=401)
    database, valkey = is_database_reachable(), is_valkey_reachable()
    details: dict[str, Any] = {
        "database": database,
        "valkey": valkey,
        "recommendations": loader.is_ready,
        "disks": [{"path": disk.path, "free_bytes": disk.free, "bytes": disk.total} for disk in list_disks()],
    }
    if database:
        details |= read_details()
    is_well = database and valkey and not details["critical_alarms"] and details["alarms_are_checked"]
    return JsonResponse({"status": "ok" if is_well else "failing", **details}, status=200 if is_well else 503)


def read_details() -> dict[str, Any]:
    """Return what the database knows: waiting events, failed jobs, unresolved alarms, and when the rules were last checked."""
    now = timezone.now()
    lag = measure_lag(at=now)
    alarms = [
        {"rule": rule, "subject": subject, "severity": severity}
        for rule, subject, severity in Alarm.objects.exclude(state=AlarmState.RESOLVED).values_list(
            "rule", "subject", "severity"
        )
    ]
    checked_at = MonitoringState.objects.values_list("checked_at", flat=True).first()
    return {
        "waiting_events": lag.waiting,
        "oldest_event_seconds": round(lag.oldest_seconds, 1),
        "failed_jobs": sorted(run.task for run in list_latest_runs() if run.status == ScheduledRun.Status.FAILED),
        "alarms": alarms,
        "critical_alarms": sum(alarm["severity"] == Severity.CRITICAL for alarm in alarms),
        "alarms_are_checked": measure_check_age(at=now) <= MAX_CHECK_AGE_SECONDS,
        "alarms_checked_seconds_ago": round((now - checked_at).total_seconds()) if checked_at else None,
    }


def is_database_reachable() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def is_valkey_reachable() -> bool:
    try:
        with open_valkey(
            settings.VALKEY_URL, socket_timeout=VALKEY_SECONDS, socket_connect_timeout=VALKEY_SECONDS
        ) as valkey:
            return bool(valkey.ping())
    except redis.RedisError:
        return False
