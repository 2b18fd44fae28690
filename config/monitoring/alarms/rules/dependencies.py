"""Alarms about what Perennial depends on: destinations that do not answer, and the backup."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from config.backup.status import read_backup_status
from config.foundation.circuit_breakers.breaker import list_breakers
from config.foundation.number_formats import format_age, format_count
from config.monitoring.alarms.registry import AlarmContext, AlarmFinding, AlarmMessage, AlarmRule, Details
from config.monitoring.models import Severity
from customers.identity.personal_data.masking import mask_text
from recommendations.sending.channels.registry import get_channel_label


def find_open_breakers(context: AlarmContext) -> Iterator[AlarmFinding]:
    """Yield destinations that have failed for longer than the threshold."""
    for breaker in list_breakers():
        if breaker.state == "closed" or breaker.opened_at is None:
            continue
        if context.now - breaker.opened_at >= timedelta(minutes=context.threshold):
            yield AlarmFinding(breaker.name, {"failures": breaker.failures, "reason": mask_text(breaker.reason)[:200]})


def describe_open_breaker(name: str, details: Details) -> AlarmMessage:
    kind, _colon, destination = name.partition(":")
    if kind == "channel":
        destination = get_channel_label(destination)
    failures = int(details.get("failures", 0))
    title = ngettext(
        "%(destination)s is not responding: %(count)s failure in a row",
        "%(destination)s is not responding: %(count)s failures in a row",
        failures,
    ) % {"destination": destination or kind, "count": format_count(failures)}
    advice = _(
        "Calls are held and retried automatically as soon as it answers. Check the address, the account and the "
        "provider's status page. Last error: %(reason)s"
    ) % {"reason": details.get("reason") or "–"}
    pages = {"channel": "channels:list", "webhook": "webhooks:endpoints"}
    return AlarmMessage(title, advice, reverse(pages[kind]) if kind in pages else "")


def find_old_backup(context: AlarmContext) -> Iterator[AlarmFinding]:
    status = read_backup_status(now=context.now)
    if status.is_configured and status.problem:
        yield AlarmFinding(details={"last": status.last_at.isoformat() if status.last_at else ""})


def describe_old_backup(subject: str, details: Details) -> AlarmMessage:
    if details.get("last"):
        age = format_age(datetime.fromisoformat(details["last"]), as_of=datetime.now().astimezone())
        title = _("The last backup was made %(ago)s") % {"ago": age}
    else:
        title = _("There is no backup yet")
    advice = _("See why the last backup job failed, check the space in BACKUP_DIR, or run manage.py backup.")
    return AlarmMessage(title, advice, reverse("jobs:list"))


DEPENDENCY_RULES = (
    AlarmRule(
        key="breaker_open",
        label=gettext_lazy("A mail server, webhook or provider is not responding"),
        find=find_open_breakers,
        describe=describe_open_breaker,
        threshold=5,
        unit=gettext_lazy("minutes"),
    ),
    AlarmRule(
        key="backup_old",
        label=gettext_lazy("The backup is too old"),
        find=find_old_backup,
        describe=describe_old_backup,
        severity=Severity.CRITICAL,
        every=timedelta(minutes=15),
    ),
)
