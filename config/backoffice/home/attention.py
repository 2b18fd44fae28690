"""What needs attention: missing data, late jobs, failed jobs and inaccurate predictions, each with what to do."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Count, Max, Q, TextField, Value
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from catalog.models import FeedImport
from config.foundation.job_runs import JobStatus
from config.foundation.number_formats import format_age, format_count, format_duration, join_label
from config.monitoring.alarms.messages import describe_alarm
from config.monitoring.models import Alarm, AlarmState, MonitoringState
from customers.anomalies.backoffice.listing import summarize_latest
from customers.lifecycle.alerts import find_model_alerts
from customers.lifecycle.backoffice.labels.alert_messages import format_alert, format_missing_orders
from customers.lifecycle.models import LifecycleRun
from customers.lifecycle.stages.freshness import find_missing_data_since
from customers.orders.models import Order, OrderImport
from customers.policy.records.breaches import describe_clock, list_open_breaches
from customers.privacy.models import PrivacyRequest
from customers.privacy.requests.notices import list_failed_notices
from customers.processing.lag import measure_lag
from customers.processing.models import ProcessingRun
from customers.warehouse.models import ExportRun
from recommendations.serving.impressions.models import PerformanceRun, PositionBiasRun
from recommendations.training.models import EvaluationRun, ModelVersion

FAILED_SINCE = timedelta(days=7)
REFRESH_IS_LATE = timedelta(days=2)
MODEL_IS_OLD = timedelta(days=7)
LAG_IS_LATE_SECONDS = 60
PRIVACY_DUE_SOON = timedelta(days=3)
CHECK_IS_LATE = timedelta(minutes=10)
MAX_ALARMS = 5

type User = AbstractBaseUser | AnonymousUser


@dataclass(frozen=True, slots=True)
class AttentionItem:
    """One line of the list: what is wrong and the link to where it is fixed."""

    text: str
    url: str
    action: str | Promise


@dataclass(frozen=True, slots=True)
class Check:
    """A check and the permission without which a user does not get its result."""

    permission: str
    find: Callable[[datetime], Iterator[AttentionItem]]


# Model of a kind of job → its name in the plural, its failed runs.
FAILED_JOBS: dict[str, tuple[str | Promise, Callable[[], Any]]] = {
    "lifecycle.lifecyclerun": (
        gettext_lazy("profile refresh"),
        lambda: LifecycleRun.objects.filter(status=LifecycleRun.Status.FAILED),
    ),
    "training.evaluationrun": (
        gettext_lazy("training"),
        lambda: EvaluationRun.objects.filter(status=EvaluationRun.Status.FAILED),
    ),
    "orders.orderimport": (
        gettext_lazy("order import"),
        lambda: OrderImport.objects.filter(dry_run=False).exclude(error=""),
    ),
    "catalog.feedimport": (
        gettext_lazy("product feed"),
        lambda: FeedImport.objects.filter(dry_run=False).exclude(error=""),
    ),
    "warehouse.exportrun": (gettext_lazy("warehouse export"), lambda: ExportRun.objects.exclude(error="")),
    "processing.processingrun": (
        gettext_lazy("event processing"),
        lambda: ProcessingRun.objects.filter(status=ProcessingRun.Status.FAILED),
    ),
    "serving.performancerun": (
        gettext_lazy("recommendation performance"),
        lambda: PerformanceRun.objects.filter(status=JobStatus.FAILED),
    ),
    "serving.positionbiasrun": (
        gettext_lazy("position bias estimate"),
        lambda: PositionBiasRun.objects.filter(status=JobStatus.FAILED),
    ),
}


def list_attention_items(*, user: User, as_of: datetime) -> list[AttentionItem]:
    """Return the items that the user may see, the most urgent kind first."""
    return [item for check in CHECKS if user.has_perm(check.permission) for item in check.find(as_of)]  # type: ignore[union-attr]


def check_alarms(as_of: datetime) -> Iterator[AttentionItem]:
    """Yield the unresolved alarms, critical ones first, and an item if the alarm rules are no longer being checked."""
    state = MonitoringState.objects.filter(pk=1).first()
    if state is not None and state.checked_at is not None and as_of - state.checked_at > CHECK_IS_LATE:
        text = _("Alarms were last checked %(ago)s. Check that the worker and the scheduler are running.") % {
            "ago": format_age(state.checked_at, as_of=as_of)
        }
        yield AttentionItem(text, reverse("jobs:list"), _("See jobs"))
    alarms = Alarm.objects.exclude(state=AlarmState.RESOLVED).order_by("severity", "opened_at")
    for alarm in alarms[:MAX_ALARMS]:
        yield AttentionItem(
            f"{describe_alarm(alarm).title}.", reverse("monitoring:alarm", args=[alarm.pk]), _("Open the alarm")
        )


def check_orders(as_of: datetime) -> Iterator[AttentionItem]:
    if find_missing_data_since(as_of=as_of):
        last_order = Order.objects.before(as_of).aggregate(at=Max("placed_at"))["at"]
        message = format_missing_orders(last_order)
        yield AttentionItem(message.text, message.url, _("Check imports"))


def check_anomalies(as_of: datetime) -> Iterator[AttentionItem]:
    summary = summarize_latest(as_of=as_of)
    if summary is not None:
        text, anomaly = summary
        yield AttentionItem(text, reverse("anomalies:anomaly", args=[anomaly.pk]), _("See why"))


def check_privacy_requests(as_of: datetime) -> Iterator[AttentionItem]:
    """Find requests that are overdue or due within three days and that someone must handle, and mails that could not be sent."""
    is_overdue = Q(due_at__lt=as_of)
    is_soon = Q(due_at__gte=as_of, due_at__lt=as_of + PRIVACY_DUE_SOON, runs_at__isnull=True)
    counts = (
        PrivacyRequest.objects.open()
        .filter(paused_at__isnull=True)
        .aggregate(overdue=Count("pk", filter=is_overdue), soon=Count("pk", filter=is_soon))
    )
    overdue, soon = counts["overdue"], counts["soon"]
    if overdue:
        text = ngettext("%(count)s privacy request is overdue.", "%(count)s privacy requests are overdue.", overdue) % {
            "count": format_count(overdue)
        }
        yield AttentionItem(text, reverse("privacy_requests:list"), _("Answer now"))
    if soon:
        text = ngettext(
            "%(count)s privacy request must be answered within three days.",
            "%(count)s privacy requests must be answered within three days.",
            soon,
        ) % {"count": format_count(soon)}
        yield AttentionItem(text, reverse("privacy_requests:list"), _("See requests"))
    for entry in list_failed_notices().filter(at__gte=as_of - FAILED_SINCE).select_related("request")[:MAX_ALARMS]:
        text = _("An email about privacy request %(number)s could not be sent.") % {"number": entry.request.number}
        yield AttentionItem(text, reverse("privacy_requests:request", args=[entry.request_id]), _("Send again"))


def check_event_lag(as_of: datetime) -> Iterator[AttentionItem]:
    lag = measure_lag(at=as_of)
    if lag.oldest_seconds > LAG_IS_LATE_SECONDS:
        text = ngettext(
            "Events are processed late: %(waiting)s event has been waiting for %(time)s.",
            "Events are processed late: %(waiting)s events are waiting, the oldest for %(time)s.",
            lag.waiting,
        ) % {
            "waiting": format_count(lag.waiting),
            "time": format_duration(lag.oldest_seconds),
        }
        yield AttentionItem(text, build_list_url("processing.processingrun"), _("See jobs"))


def check_breaches(as_of: datetime) -> Iterator[AttentionItem]:
    for breach in list_open_breaches():
        url = reverse("admin:policy_breach_change", args=[breach.pk])
        yield AttentionItem(join_label(breach.title, describe_clock(breach, now=as_of)), url, _("Open the breach"))


def check_profiles(as_of: datetime) -> Iterator[AttentionItem]:
    finished_at = LifecycleRun.objects.filter(status=LifecycleRun.Status.DONE).aggregate(at=Max("finished_at"))["at"]
    if finished_at and as_of - finished_at >= REFRESH_IS_LATE:
        text = _("Stages and predictions are from %(age)s; they should be computed every night.") % {
            "age": format_age(finished_at, as_of=as_of)
        }
        yield AttentionItem(text, build_list_url("lifecycle.lifecyclerun"), _("See jobs"))


def check_models(as_of: datetime) -> Iterator[AttentionItem]:
    trained_on = ModelVersion.objects.filter(status=ModelVersion.Status.ACTIVE).aggregate(at=Max("as_of"))["at"]
    if trained_on and as_of - trained_on >= MODEL_IS_OLD:
        text = _("The recommendation model was trained on data from %(days)s ago. Train a new one.") % {
            "days": ngettext("%(count)d day", "%(count)d days", (as_of - trained_on).days)
            % {"count": (as_of - trained_on).days}
        }
        yield AttentionItem(text, build_list_url("training.modelversion"), _("See models"))


def check_predictions(as_of: datetime) -> Iterator[AttentionItem]:
    for alert in find_model_alerts():
        message = format_alert(alert)
        yield AttentionItem(message.text, message.url, _("See predictions"))


def check_failed_jobs(as_of: datetime) -> Iterator[AttentionItem]:
    runs_by_job = count_failed_runs(since=as_of - FAILED_SINCE)
    for model, (name, _query) in FAILED_JOBS.items():
        runs = runs_by_job.get(model, 0)
        if runs:
            text = ngettext(
                "%(job)s: %(count)d run failed in the last seven days.",
                "%(job)s: %(count)d runs failed in the last seven days.",
                runs,
            ) % {"job": capfirst(str(name)), "count": runs}
            yield AttentionItem(text, build_list_url(model), _("See why"))


def count_failed_runs(*, since: datetime) -> dict[str, int]:
    """Return the failed runs of each model that has some, in one query."""
    counts = [
        query()
        .filter(started_at__gte=since)
        .order_by()
        .annotate(model=Value(model, TextField()))
        .values("model")
        .annotate(runs=Count("pk"))
        .values_list("model", "runs")
        for model, (_name, query) in FAILED_JOBS.items()
    ]
    return dict(counts[0].union(*counts[1:]))


CHECKS = (
    Check("policy.view_breach", check_breaches),
    Check("privacy.change_privacyrequest", check_privacy_requests),
    Check("monitoring.view_alarm", check_alarms),
    Check("orders.view_order", check_orders),
    Check("anomalies.view_anomaly", check_anomalies),
    Check("events.view_event", check_event_lag),
    Check("lifecycle.view_customerprofile", check_profiles),
    Check("lifecycle.view_customerprofile", check_predictions),
    Check("training.view_modelversion", check_models),
    Check("processing.view_processingrun", check_failed_jobs),
)


def build_list_url(model: str) -> str:
    """Return the URL of a model's list; empty if there is no such list."""
    try:
        return reverse(f"admin:{model.replace('.', '_')}_changelist")
    except NoReverseMatch:
        return ""
