"""Alarms about privacy: customer requests whose deadline has passed, or is near."""

from collections.abc import Iterator
from datetime import timedelta

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from config.foundation.number_formats import format_count
from config.monitoring.alarms.registry import AlarmContext, AlarmFinding, AlarmMessage, AlarmRule, Details
from config.monitoring.models import Severity
from customers.privacy.models import PrivacyRequest


def find_overdue_requests(context: AlarmContext) -> Iterator[AlarmFinding]:
    """Yield how many requests are overdue, or will be within the threshold."""
    overdue = PrivacyRequest.objects.overdue(context.now).count()
    soon = PrivacyRequest.objects.overdue(context.now + timedelta(days=context.threshold)).count()
    if soon:
        severity = Severity.CRITICAL if overdue else Severity.WARNING
        yield AlarmFinding("overdue" if overdue else "soon", {"overdue": overdue, "soon": soon}, severity)


def describe_overdue_requests(subject: str, details: Details) -> AlarmMessage:
    if subject == "overdue":
        number = int(details.get("overdue", 0))
        title = ngettext("%(count)s privacy request is overdue", "%(count)s privacy requests are overdue", number)
    else:
        number = int(details.get("soon", 0))
        title = ngettext(
            "%(count)s privacy request must be answered within a few days",
            "%(count)s privacy requests must be answered within a few days",
            number,
        )
    advice = _(
        "The law sets the deadline. Answer the requests, or extend the deadline with a reason where that is allowed."
    )
    return AlarmMessage(title % {"count": format_count(number)}, advice, reverse("privacy_requests:list"))


PRIVACY_RULES = (
    AlarmRule(
        key="privacy_overdue",
        label=gettext_lazy("A privacy request is overdue or nearly overdue"),
        find=find_overdue_requests,
        describe=describe_overdue_requests,
        threshold=3,
        unit=gettext_lazy("days left"),
        every=timedelta(minutes=15),
    ),
)
