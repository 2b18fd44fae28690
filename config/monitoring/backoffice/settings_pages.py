"""Who gets alarms, the rules, and a test: the forms of the Alarms page."""

import math
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from config.foundation.audit_log import record_action
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.files.safe_download import DownloadError, check_public_url
from config.foundation.number_formats import format_count
from config.monitoring.alarms.alarm_tests import open_test_alarm
from config.monitoring.alarms.notifications import PERMISSION as VIEW
from config.monitoring.alarms.notifications import send_due_notifications
from config.monitoring.alarms.registry import list_rules
from config.monitoring.backoffice.alarm_pages import CHANGE
from config.monitoring.models import (
    Alarm,
    AlarmNotification,
    AlarmRuleSetting,
    AlarmSubscription,
    AlarmWebhook,
    MonitoringState,
    NotificationStatus,
)

MAX_WEBHOOKS = 10
MAX_HOURS = 24 * 30


def go_back() -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("monitoring:alarms"))


@require_POST
def change_subscription(request: HttpRequest) -> HttpResponse:
    """Subscribe the user, change the language, or end the subscription."""
    check_permissions(request, VIEW)
    user: Any = request.user
    if request.POST.get("action") == "end":
        AlarmSubscription.objects.filter(user=user).delete()
        messages.success(request, _("You will no longer receive alarm emails."))
        return go_back()
    if not user.email:
        messages.error(request, _("Your account has no email address. Ask an administrator to add it."))
        return go_back()
    language = request.POST.get("language", "")
    if language not in dict(settings.LANGUAGES):
        language = get_language() or settings.LANGUAGE_CODE
    values = {"language": language, "only_critical": "only_critical" in request.POST}
    AlarmSubscription.objects.update_or_create(user=user, defaults=values)
    messages.success(request, _("You will get alarms at %(address)s.") % {"address": user.email})
    return go_back()


@require_POST
def change_rules(request: HttpRequest) -> HttpResponse:
    """Save which rules are active, their thresholds, and the time between reminders."""
    check_permissions(request, CHANGE)
    wrong = []
    for rule in list_rules().values():
        threshold = read_number(request.POST.get(f"threshold-{rule.key}", ""))
        if threshold is not None and (not math.isfinite(threshold) or threshold < 0):
            wrong.append(str(rule.label))
            continue
        default = threshold is None or threshold == rule.threshold
        values = {"is_active": f"active-{rule.key}" in request.POST, "threshold": None if default else threshold}
        AlarmRuleSetting.objects.update_or_create(rule=rule.key, defaults=values)
    hours = read_number(request.POST.get("reminder_hours", ""))
    state = MonitoringState.load()
    if hours is not None and 0 <= hours <= MAX_HOURS:
        state.reminder_hours = int(hours)
        state.save(update_fields=["reminder_hours"])
    record_action("alarm.rules_changed", model=Alarm)
    if wrong:
        messages.error(
            request, _("These thresholds are not numbers of 0 or more: %(rules)s.") % {"rules": ", ".join(wrong)}
        )
    else:
        messages.success(request, _("Saved."))
    return go_back()


def read_number(text: str) -> float | None:
    """Return a number; NaN for a text that is not a number, None for an empty one."""
    text = text.strip()
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        return math.nan


@require_POST
def add_webhook(request: HttpRequest) -> HttpResponse:
    """Add a webhook and show its secret once."""
    check_permissions(request, CHANGE)
    url = request.POST.get("url", "").strip()[:1000]
    if AlarmWebhook.objects.count() >= MAX_WEBHOOKS:
        messages.error(request, _("There are %(count)s webhooks already. Delete one first.") % {"count": MAX_WEBHOOKS})
        return go_back()
    try:
        check_public_url(url, settings.WEBHOOK_PRIVATE_HOSTS)
    except DownloadError as error:
        messages.error(request, str(error))
        return go_back()
    webhook = AlarmWebhook.objects.create(url=url)
    record_action("alarm.webhook_added", instance=webhook, label=url)
    messages.success(
        request,
        _("The webhook was added. Its secret, which is shown only once: %(secret)s") % {"secret": webhook.secret},
    )
    return go_back()


@require_POST
def delete_webhook(request: HttpRequest, webhook_id: int) -> HttpResponse:
    check_permissions(request, CHANGE)
    webhook = get_object_or_404(AlarmWebhook, pk=webhook_id)
    record_action("alarm.webhook_deleted", model=AlarmWebhook, label=webhook.url)
    webhook.delete()
    messages.success(request, _("The webhook was deleted."))
    return go_back()


@require_POST
def send_test(request: HttpRequest) -> HttpResponse:
    """Send a test alarm to everyone who gets alarms, and report how many were sent."""
    check_permissions(request, CHANGE)
    now = timezone.now()
    alarm = open_test_alarm(now=now)
    send_due_notifications(now=now)
    rows = AlarmNotification.objects.filter(alarm=alarm)
    sent, failed = rows.filter(status=NotificationStatus.SENT).count(), rows.exclude(error="").first()
    if failed is not None:
        messages.error(request, _("A recipient did not accept the test: %(error)s") % {"error": failed.error})
    elif sent:
        text = ngettext("The test was sent to %(count)s recipient.", "The test was sent to %(count)s recipients.", sent)
        messages.success(request, text % {"count": format_count(sent)})
    else:
        messages.warning(request, _("Nobody gets alarms yet. Subscribe, or add a webhook."))
    return go_back()
