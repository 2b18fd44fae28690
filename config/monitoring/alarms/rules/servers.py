"""Alarms about the servers: disk, memory, connections, long transactions, errors, and the certificate."""

import platform
from collections.abc import Iterator
from datetime import datetime, timedelta

import redis
from django.conf import settings
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.number_formats import (
    format_count,
    format_duration,
    format_moment,
    format_percent,
)
from config.monitoring.alarms.registry import AlarmContext, AlarmFinding, AlarmMessage, AlarmRule, Details
from config.monitoring.error_rate import measure_error_rate
from config.monitoring.models import Severity
from config.monitoring.server_state import find_certificate_end, list_disks, read_database_state, read_valkey_state

MIN_ERRORS = 20  # fewer in five minutes are single requests, not a failure
CERTIFICATE_INTERVAL = timedelta(hours=6)


def find_full_disks(context: AlarmContext) -> Iterator[AlarmFinding]:
    for disk in list_disks():
        if disk.free_share * 100 < context.threshold:
            yield AlarmFinding(
                f"{platform.node()}:{disk.path}", {"free": disk.free, "share": round(disk.free_share, 4)}
            )


def describe_full_disk(path: str, details: Details) -> AlarmMessage:
    title = _("The disk is nearly full: %(free)s free (%(share)s)") % {
        "free": filesizeformat(details.get("free", 0)),
        "share": format_percent(details.get("share", 0.0)),
    }
    advice = _(
        "Without space PostgreSQL stops and events are lost. Delete old backups and exports, shorten the retention of events, or add space. "
        "Folder: %(path)s"
    ) % {"path": path}
    return AlarmMessage(title, advice)


def find_full_valkey(context: AlarmContext) -> Iterator[AlarmFinding]:
    try:
        state = read_valkey_state()
    except redis.RedisError as error:
        yield AlarmFinding("down", {"error": type(error).__name__}, Severity.CRITICAL)
        return
    if state.limit and state.used * 100 > state.limit * context.threshold:
        yield AlarmFinding("memory", {"used": state.used, "limit": state.limit})


def describe_full_valkey(subject: str, details: Details) -> AlarmMessage:
    if subject == "down":
        return AlarmMessage(
            _("Valkey is not responding"),
            _(
                "Jobs do not start and recent activity is missing in recommendations. Start Valkey, or correct VALKEY_URL."
            ),
        )
    title = _("Valkey uses %(used)s of %(limit)s") % {
        "used": filesizeformat(details.get("used", 0)),
        "limit": filesizeformat(details.get("limit", 0)),
    }
    return AlarmMessage(
        title,
        _("Valkey now discards recent activity earlier. Raise VALKEY_MAX_MEMORY_MB, or maxmemory of your own Valkey."),
    )


def find_database_problems(context: AlarmContext) -> Iterator[AlarmFinding]:
    state = read_database_state()
    if state.connections * 100 > state.max_connections * context.threshold:
        yield AlarmFinding("connections", {"used": state.connections, "limit": state.max_connections})


def describe_database_problem(subject: str, details: Details) -> AlarmMessage:
    title = _("PostgreSQL has %(used)s of %(limit)s connections in use") % {
        "used": format_count(details.get("used", 0)),
        "limit": format_count(details.get("limit", 0)),
    }
    advice = _(
        "New requests fail when none is left. Raise max_connections, lower DATABASE_POOL, or put a pooler in front."
    )
    return AlarmMessage(title, advice)


def find_long_transactions(context: AlarmContext) -> Iterator[AlarmFinding]:
    state = read_database_state()
    if state.longest_transaction > context.threshold * 60:
        yield AlarmFinding(details={"seconds": round(state.longest_transaction)})


def describe_long_transaction(subject: str, details: Details) -> AlarmMessage:
    title = _("A database transaction has been open for %(time)s") % {
        "time": format_duration(details.get("seconds", 0))
    }
    advice = _(
        "It keeps tables from being cleaned and may block migrations. Find it with “SELECT pid, query FROM pg_stat_activity ORDER BY xact_start”, "
        "and end it with pg_terminate_backend if nobody needs it."
    )
    return AlarmMessage(title, advice)


def find_standby_lag(context: AlarmContext) -> Iterator[AlarmFinding]:
    state = read_database_state()
    if state.standby_lag > context.threshold:
        yield AlarmFinding(details={"seconds": round(state.standby_lag)})


def describe_standby_lag(subject: str, details: Details) -> AlarmMessage:
    title = _("The standby of PostgreSQL is %(time)s behind") % {"time": format_duration(details.get("seconds", 0))}
    return AlarmMessage(
        title, _("After a failover, this much data would be missing. Check the standby's disk, network and log.")
    )


def find_errors(context: AlarmContext) -> Iterator[AlarmFinding]:
    rate = measure_error_rate(now=context.now)
    if rate is not None and rate.errors >= MIN_ERRORS and rate.share * 100 > context.threshold:
        yield AlarmFinding(details={"errors": rate.errors, "share": round(rate.share, 4)})


def describe_errors(subject: str, details: Details) -> AlarmMessage:
    title = _("%(share)s of requests within five minutes ended with a server error") % {
        "share": format_percent(details.get("share", 0.0))
    }
    advice = _("See the web server log. Use the request ID of an error to find its details.")
    return AlarmMessage(title, advice)


def find_old_certificate(context: AlarmContext) -> Iterator[AlarmFinding]:
    ends_at = find_certificate_end(settings.PUBLIC_URL)
    if ends_at is not None and ends_at - context.now < timedelta(days=context.threshold):
        yield AlarmFinding(details={"ends_at": ends_at.isoformat()})


def describe_old_certificate(subject: str, details: Details) -> AlarmMessage:
    ends_at = format_moment(datetime.fromisoformat(details["ends_at"])) if details.get("ends_at") else ""
    title = _("The certificate of %(url)s expires on %(at)s") % {"url": settings.PUBLIC_URL, "at": ends_at}
    return AlarmMessage(
        title,
        _(
            "After that, browsers and SDKs refuse the connection. Renew it, and check why it was not renewed automatically."
        ),
    )


SERVER_RULES = (
    AlarmRule(
        key="disk_full",
        label=gettext_lazy("The disk is nearly full"),
        find=find_full_disks,
        is_local=True,
        describe=describe_full_disk,
        severity=Severity.CRITICAL,
        threshold=10,
        unit=gettext_lazy("% free"),
    ),
    AlarmRule(
        key="valkey",
        label=gettext_lazy("Valkey is down or its memory is nearly full"),
        find=find_full_valkey,
        describe=describe_full_valkey,
        threshold=95,
        unit=gettext_lazy("% used"),
    ),
    AlarmRule(
        key="database_connections",
        label=gettext_lazy("PostgreSQL runs out of connections"),
        find=find_database_problems,
        describe=describe_database_problem,
        severity=Severity.CRITICAL,
        threshold=85,
        unit=gettext_lazy("% used"),
    ),
    AlarmRule(
        key="long_transaction",
        label=gettext_lazy("A database transaction stays open"),
        find=find_long_transactions,
        describe=describe_long_transaction,
        threshold=120,
        unit=gettext_lazy("minutes"),
    ),
    AlarmRule(
        key="standby_lag",
        label=gettext_lazy("The standby of PostgreSQL is behind"),
        find=find_standby_lag,
        describe=describe_standby_lag,
        threshold=300,
        unit=gettext_lazy("seconds"),
    ),
    AlarmRule(
        key="error_rate",
        label=gettext_lazy("Many requests end with a server error"),
        find=find_errors,
        describe=describe_errors,
        severity=Severity.CRITICAL,
        threshold=2,
        unit=gettext_lazy("% of requests"),
    ),
    AlarmRule(
        key="certificate",
        label=gettext_lazy("The certificate expires soon"),
        find=find_old_certificate,
        describe=describe_old_certificate,
        threshold=14,
        unit=gettext_lazy("days left"),
        every=CERTIFICATE_INTERVAL,
    ),
)
