"""The menu at the side: every list a person may see, by section."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class ListOf:
    """The list of a model, for whoever may view the model."""

    model: str
    icon: str


@dataclass(frozen=True)
class Page:
    """A page that is not a list, for whoever holds a permission."""

    url_name: str
    title: str | Promise
    icon: str
    permission: str


SECTIONS: list[tuple[str | Promise, list[ListOf | Page]]] = [
    (
        _("Customers"),
        [
            ListOf("identity.Customer", "person"),
            Page("admin:lifecycle_overview", _("Lifecycle"), "autorenew", "lifecycle.view_customerprofile"),
            ListOf("lifecycle.CustomerProfile", "account_circle"),
            ListOf("lifecycle.StageTransition", "conversion_path"),
            ListOf("orders.Order", "receipt_long"),
            ListOf("feedback.Review", "reviews"),
            ListOf("feedback.SurveyAnswer", "sentiment_satisfied"),
            ListOf("identity.Consent", "handshake"),
            ListOf("identity.Identifier", "fingerprint"),
            ListOf("identity.IdentityMerge", "merge"),
            ListOf("identity.IdentityConflict", "call_split"),
        ],
    ),
    (
        _("Segments & campaigns"),
        [
            ListOf("segments.Segment", "groups"),
            ListOf("campaigns.Campaign", "campaign"),
            ListOf("campaigns.AudienceExport", "file_export"),
        ],
    ),
    (
        _("Catalog"),
        [
            ListOf("catalog.Product", "inventory_2"),
            ListOf("catalog.Category", "account_tree"),
        ],
    ),
    (
        _("Recommendations"),
        [
            ListOf("serving.Preview", "preview"),
            ListOf("serving.ScenarioSettings", "grid_view"),
            ListOf("merchandising.Rule", "rule_settings"),
            ListOf("serving.PerformanceDay", "query_stats"),
            Page("admin:serving_search_preview", _("Search preview"), "search", "training.view_modelversion"),
            ListOf("serving.Synonym", "compare_arrows"),
            ListOf("training.ModelVersion", "model_training"),
            ListOf("training.EvaluationRun", "leaderboard"),
        ],
    ),
    (
        _("Data"),
        [
            Page("admin:events_live", _("Live events"), "bolt", "events.view_event"),
            Page("admin:events_minutes", _("Events a minute"), "bar_chart", "events.view_event"),
            ListOf("events.Event", "timeline"),
            ListOf("events.Source", "sensors"),
            ListOf("events.RejectedEvent", "report"),
            ListOf("orders.OrderImport", "upload_file"),
            ListOf("catalog.FeedImport", "rss_feed"),
            ListOf("warehouse.ExportRun", "warehouse"),
        ],
    ),
    (
        _("Operation"),
        [
            ListOf("processing.ProcessingRun", "conveyor_belt"),
            ListOf("lifecycle.LifecycleRun", "autorenew"),
            ListOf("serving.PerformanceRun", "calculate"),
            ListOf("serving.PositionBiasRun", "visibility"),
            ListOf("lifecycle.StageRules", "rule"),
            ListOf("django_celery_beat.PeriodicTask", "schedule"),
            ListOf("access.ApiKey", "key"),
            ListOf("auth.User", "manage_accounts"),
            ListOf("auth.Group", "shield_person"),
            ListOf("auditlog.LogEntry", "history"),
            ListOf("axes.AccessAttempt", "gpp_bad"),
            ListOf("axes.AccessLog", "login"),
        ],
    ),
]


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The sections with what this person may open; a section with nothing in it is left out."""
    home: dict[str, Any] = {"title": _("Home"), "icon": "home", "link": reverse("admin:index")}
    sections: list[dict[str, Any]] = [{"title": None, "items": [home]}]
    for title, entries in SECTIONS:
        items = [item for entry in entries for item in _items(entry, request)]
        if items:
            sections.append({"title": title, "separator": True, "items": items})
    _mark_where_one_is(sections, request.path)
    return sections


def _mark_where_one_is(sections: list[dict[str, Any]], path: str) -> None:
    """Of the entries whose address begins that of the page the longest: a room's pages may lie below a list of its own."""
    items = [item for section in sections for item in section["items"]]
    home = reverse("admin:index")
    near = {item["link"] for item in items if path.startswith(item["link"])} - ({home} if path != home else set())
    here = max(near, key=len, default="")
    for item in items:
        item["active"] = item["link"] == here


def _items(entry: ListOf | Page, request: HttpRequest) -> Iterator[dict[str, Any]]:
    if isinstance(entry, Page):
        if request.user.has_perm(entry.permission):
            yield {"title": entry.title, "icon": entry.icon, "link": reverse(entry.url_name)}
        return
    model = apps.get_model(entry.model)
    if admin.site.is_registered(model) and admin.site.get_model_admin(model).has_view_permission(request):
        yield {
            "title": capfirst(str(model._meta.verbose_name_plural)),
            "icon": entry.icon,
            "link": reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"),
        }


def shop_name(request: HttpRequest) -> str:
    return settings.SHOP_NAME


def environment(request: HttpRequest) -> list[str | Promise] | None:
    """The label beside the person's name that tells a demo from the real thing."""
    return [_("Demo"), "warning"] if settings.DEMO else None
