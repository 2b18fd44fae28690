"""The back office's page of a rule: how it stands, its preview, and the switch."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from recommendations.merchandising.backoffice.overview import standings
from recommendations.merchandising.backoffice.rule_labels import in_words
from recommendations.merchandising.models import Rule
from recommendations.merchandising.rules.editing import switch_rules
from recommendations.merchandising.tasks import write_segment_members

STATES = {
    "on": gettext_lazy("holds now"),
    "waiting": gettext_lazy("waits for its time"),
    "over": gettext_lazy("is over"),
    "off": gettext_lazy("switched off"),
}
# field → whose names the segments' builder suggests
SUGGESTED = {"category": "bought.category", "brand": "bought.brand"}


def rule_context(request: HttpRequest, *, model_admin: ModelAdmin, object_id: str | None) -> dict[str, Any]:
    """What the rule's page shows beside the form."""
    context: dict[str, Any] = {
        "preview_url": address("admin:serving_rule_preview"),
        "suggest_url": address("admin:segments_segment_suggest"),
    }
    if object_id is None or not object_id.isdecimal() or request.method != "GET":
        return context
    rule = Rule.objects.select_related("segment").filter(pk=int(object_id)).first()
    if rule is None or not model_admin.has_view_permission(request, rule):
        return context
    [standing] = standings(rules=[rule], now=timezone.now())
    return context | {
        "standing": standing,
        "words": in_words(rule),
        "state": STATES[standing.state],
        "history_url": reverse("admin:auditlog_logentry_changelist")
        + "?"
        + urlencode({"q": rule.name, "resource_type": "merchandising.rule"})
        if request.user.has_perm("auditlog.view_logentry")
        else "",
    }


def address(name: str) -> str:
    """Of a page of another room; empty where there is none."""
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""


def switch(request: HttpRequest, *, model_admin: ModelAdmin, rule_id: int) -> HttpResponse:
    """Off if it is on, on if it is off."""
    rule = get_object_or_404(Rule, pk=rule_id)
    if not model_admin.has_change_permission(request, rule):
        raise PermissionDenied
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    switch_rules(rules=[rule], enabled=not rule.enabled, write_members=write_segment_members.delay)
    text = _("“%(name)s” is switched on.") if rule.enabled else _("“%(name)s” is switched off.")
    messages.success(request, text % {"name": rule.name})
    return HttpResponseRedirect(reverse("admin:merchandising_rule_changelist"))
