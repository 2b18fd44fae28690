"""Alarms about data: waiting events, a model or a warehouse that is too old, many rejected events."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Max, Q
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from config.foundation.number_formats import format_count, format_duration, format_moment
from config.monitoring.alarms.registry import AlarmContext, AlarmFinding, AlarmMessage, AlarmRule, Details
from config.monitoring.models import Severity
from customers.connectors.models import ShopConnection
from customers.destinations.models import Destination
from customers.processing.lag import measure_lag
from customers.warehouse.models import ExportRun
from recommendations.training.models import ModelVersion


def find_event_lag(context: AlarmContext) -> Iterator[AlarmFinding]:
    lag = measure_lag(at=context.now)
    if lag.oldest_seconds > context.threshold * 60:
        yield AlarmFinding(details={"waiting": lag.waiting, "seconds": round(lag.oldest_seconds)})


def describe_event_lag(subject: str, details: Details) -> AlarmMessage:
    waiting = int(details.get("waiting", 0))
    title = ngettext(
        "%(count)s event has been waiting for %(time)s to be processed",
        "%(count)s events are waiting to be processed, the oldest for %(time)s",
        waiting,
    ) % {"count": format_count(waiting), "time": format_duration(details.get("seconds", 0))}
    advice = _(
        "Until the events are processed, orders, stages and flows are delayed. Check that the worker for frequent jobs "
        "is running, and whether the last processing run failed."
    )
    return AlarmMessage(title, advice, reverse("admin:processing_processingrun_changelist"))


def find_old_model(context: AlarmContext) -> Iterator[AlarmFinding]:
    trained_on = ModelVersion.objects.filter(status=ModelVersion.Status.ACTIVE).aggregate(at=Max("as_of"))["at"]
    if trained_on is not None and context.now - trained_on > timedelta(days=context.threshold):
        yield AlarmFinding(details={"as_of": trained_on.isoformat(), "days": (context.now - trained_on).days})


def describe_old_model(subject: str, details: Details) -> AlarmMessage:
    days = int(details.get("days", 0))
    title = ngettext(
        "The recommendation model is %(count)s day old", "The recommendation model is %(count)s days old", days
    ) % {"count": format_count(days)}
    advice = _(
        "Its recommendations miss recent trends. Find out why the last training runs failed or were not promoted, then train again."
    )
    return AlarmMessage(title, advice, reverse("admin:training_modelversion_changelist"))


def find_old_warehouse(context: AlarmContext) -> Iterator[AlarmFinding]:
    """Yield the age of the newest export, if there ever was one."""
    exported_at = ExportRun.objects.filter(error="").aggregate(at=Max("started_at"))["at"]
    if exported_at is not None and context.now - exported_at > timedelta(hours=context.threshold):
        yield AlarmFinding(details={"at": exported_at.isoformat()})


def describe_old_warehouse(subject: str, details: Details) -> AlarmMessage:
    at = format_moment(datetime.fromisoformat(details["at"])) if details.get("at") else ""
    title = _("The last export to the warehouse was at %(at)s") % {"at": at}
    advice = _(
        "Until the next export, analytics and training use older data. Find out why the last export failed, and check the free disk space."
    )
    return AlarmMessage(title, advice, reverse("admin:warehouse_exportrun_changelist"))


def find_connector_problems(context: AlarmContext) -> Iterator[AlarmFinding]:
    """Yield each connected shop whose import has a problem."""
    shops = ShopConnection.objects.filter(is_enabled=True).exclude(problem="")
    for pk, name, problem in shops.order_by("pk").values_list("pk", "name", "problem"):
        yield AlarmFinding(subject=str(pk), details={"name": name, "problem": problem[:500]})


def describe_connector_problem(subject: str, details: Details) -> AlarmMessage:
    title = _("The import of the shop %(name)s has a problem") % {"name": details.get("name", "")}
    advice = _("Products, customers and orders of the shop are not up to date. %(problem)s") % {
        "problem": details.get("problem", "")
    }
    return AlarmMessage(title, advice, reverse("connectors:shop", args=[int(subject)]))


def find_destination_problems(context: AlarmContext) -> Iterator[AlarmFinding]:
    """Yield each destination with a problem, and each that has not answered for longer than the threshold."""
    silent = Q(batches__status="waiting", batches__created_at__lt=context.now - timedelta(hours=context.threshold))
    rows = Destination.objects.filter(is_enabled=True).filter(~Q(problem="") | silent).distinct().order_by("pk")
    for pk, name, problem in rows.values_list("pk", "name", "problem"):
        yield AlarmFinding(subject=str(pk), details={"name": name, "problem": problem[:500]})


def describe_destination_problem(subject: str, details: Details) -> AlarmMessage:
    title = _("The destination %(name)s does not receive its data") % {"name": details.get("name", "")}
    advice = _("Unsent data is kept and retried automatically. %(problem)s") % {"problem": details.get("problem", "")}
    return AlarmMessage(title, advice.strip(), reverse("destinations:page", args=[int(subject)]))


DATA_RULES = (
    AlarmRule(
        key="event_lag",
        label=gettext_lazy("Events are processed late"),
        find=find_event_lag,
        describe=describe_event_lag,
        severity=Severity.CRITICAL,
        threshold=5,
        unit=gettext_lazy("minutes"),
    ),
    AlarmRule(
        key="model_old",
        label=gettext_lazy("The recommendation model is too old"),
        find=find_old_model,
        describe=describe_old_model,
        threshold=7,
        unit=gettext_lazy("days"),
    ),
    AlarmRule(
        key="warehouse_old",
        label=gettext_lazy("The warehouse is too old"),
        find=find_old_warehouse,
        describe=describe_old_warehouse,
        threshold=36,
        unit=gettext_lazy("hours"),
    ),
    AlarmRule(
        key="connector_problem",
        label=gettext_lazy("The import of a connected shop has a problem"),
        find=find_connector_problems,
        describe=describe_connector_problem,
    ),
    AlarmRule(
        key="destination_problem",
        label=gettext_lazy("A destination does not receive its data"),
        find=find_destination_problems,
        describe=describe_destination_problem,
        threshold=2,
        unit=gettext_lazy("hours"),
    ),
)
