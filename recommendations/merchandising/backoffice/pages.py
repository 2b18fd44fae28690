"""The back-office page of a rule: its overview, its preview, and the button that enables or disables it."""

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
from django.utils.translation import gettext_lazy, pgettext_lazy

from recommendations.merchandising.backoffice.overview import build_overviews, find_product_titles
from recommendations.merchandising.backoffice.rule_labels import describe_rule
from recommendations.merchandising.models import Rule
from recommendations.merchandising.rules.editing import switch_rules
from recommendations.merchandising.tasks import write_segment_members

STATE_LABELS = {
    "on": pgettext_lazy("rule", "active"),
    "waiting": gettext_lazy("scheduled"),
    "over": gettext_lazy("ended"),
    "off": gettext_lazy("disabled"),
}
# field → the segment condition whose values are suggested
SUGGESTION_FIELDS = {"category": "bought.category", "brand": "bought.brand"}


def build_rule_context(request: HttpRequest, *, model_admin: ModelAdmin, object_id: str | None) -> dict[str, Any]:
    """Return the context of a rule page: overview, description, state and links."""
    context: dict[str, Any] = {
        "preview_url": reverse_or_empty("admin:serving_rule_preview"),
        "suggest_url": reverse_or_empty("admin:segments_segment_suggest"),
    }
    if object_id is None or not object_id.isdecimal() or len(object_id) > 18 or request.method != "GET":
        return context
    rule = Rule.objects.select_related("segment").filter(pk=int(object_id)).first()
    if rule is None or not model_admin.has_view_permission(request, rule):
        return context
    [overview] = build_overviews(rules=[rule], now=timezone.now())
    return context | {
        "overview": overview,
        "words": describe_rule(rule, find_product_titles([rule])),
        "state": STATE_LABELS[overview.state],
        "history_url": reverse("admin:auditlog_logentry_changelist")
        + "?"
        + urlencode({"q": rule.name, "resource_type": "merchandising.rule"})
        if request.user.has_perm("auditlog.view_logentry")
        else "",
    }


def reverse_or_empty(name: str) -> str:
    """Return the URL of a page of another app; empty if the app is not installed."""
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""


def toggle_rule(request: HttpRequest, *, model_admin: ModelAdmin, rule_id: int) -> HttpResponse:
    """Enable a disabled rule, disable an enabled one."""
    rule = get_object_or_404(Rule, pk=rule_id)
    if not model_admin.has_change_permission(request, rule):
        raise PermissionDenied
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    switch_rules(rules=[rule], enabled=not rule.enabled, write_members=write_segment_members.delay)
    text = _("“%(name)s” is now enabled.") if rule.enabled else _("“%(name)s” is now disabled.")
    messages.success(request, text % {"name": rule.name})
    return HttpResponseRedirect(reverse("admin:merchandising_rule_changelist"))
