"""The sidebar menu: every list and page that a user may open, by section."""

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
class ModelListEntry:
    """The list of a model, for users who may view the model."""

    model: str
    icon: str


@dataclass(frozen=True)
class PageEntry:
    """A page that is not a list, for users with a permission."""

    url_name: str
    title: str | Promise
    icon: str
    permission: str


SECTIONS: list[tuple[str | Promise, list[ModelListEntry | PageEntry]]] = [
    (
        _("Customers"),
        [
            ModelListEntry("identity.Customer", "person"),
            PageEntry("admin:lifecycle_overview", _("Lifecycle"), "autorenew", "lifecycle.view_customerprofile"),
            ModelListEntry("lifecycle.CustomerProfile", "account_circle"),
            ModelListEntry("lifecycle.StageTransition", "conversion_path"),
            ModelListEntry("orders.Order", "receipt_long"),
            ModelListEntry("feedback.Review", "reviews"),
            ModelListEntry("feedback.SurveyAnswer", "sentiment_satisfied"),
            ModelListEntry("identity.Consent", "handshake"),
            ModelListEntry("identity.Identifier", "fingerprint"),
            ModelListEntry("identity.IdentityMerge", "merge"),
            ModelListEntry("identity.IdentityConflict", "call_split"),
            ModelListEntry("identity.IdentifierTransfer", "move_down"),
        ],
    ),
    (
        _("Segments & campaigns"),
        [
            ModelListEntry("segments.Segment", "groups"),
            ModelListEntry("campaigns.Campaign", "campaign"),
            ModelListEntry("campaigns.AudienceExport", "file_export"),
        ],
    ),
    (
        _("Catalog"),
        [
            ModelListEntry("catalog.Product", "inventory_2"),
            ModelListEntry("catalog.Category", "account_tree"),
            PageEntry("admin:orders_missing_products", _("Missing products"), "help_center", "catalog.view_product"),
        ],
    ),
    (
        _("Recommendations"),
        [
            ModelListEntry("serving.Preview", "preview"),
            ModelListEntry("serving.PlacementSettings", "grid_view"),
            ModelListEntry("merchandising.Rule", "rule_settings"),
            ModelListEntry("serving.PerformanceDay", "query_stats"),
            PageEntry("admin:serving_search_preview", _("Search preview"), "search", "training.view_modelversion"),
            ModelListEntry("serving.Synonym", "compare_arrows"),
            ModelListEntry("training.ModelVersion", "model_training"),
            ModelListEntry("training.EvaluationRun", "leaderboard"),
        ],
    ),
    (
        _("Data"),
        [
            PageEntry("admin:events_live", _("Live events"), "bolt", "events.view_event"),
            PageEntry("admin:events_minutes", _("Events per minute"), "bar_chart", "events.view_event"),
            ModelListEntry("events.Event", "timeline"),
            ModelListEntry("events.Source", "sensors"),
            ModelListEntry("events.RejectedEvent", "report"),
            ModelListEntry("orders.OrderImport", "upload_file"),
            ModelListEntry("catalog.FeedImport", "rss_feed"),
            ModelListEntry("warehouse.ExportRun", "warehouse"),
        ],
    ),
    (
        _("Operations"),
        [
            ModelListEntry("processing.ProcessingRun", "conveyor_belt"),
            ModelListEntry("lifecycle.LifecycleRun", "autorenew"),
            ModelListEntry("serving.PerformanceRun", "calculate"),
            ModelListEntry("serving.PositionBiasRun", "visibility"),
            ModelListEntry("lifecycle.StageRules", "rule"),
            ModelListEntry("django_celery_beat.PeriodicTask", "schedule"),
            ModelListEntry("access.ApiKey", "key"),
            ModelListEntry("auth.User", "manage_accounts"),
            ModelListEntry("auth.Group", "shield_person"),
            ModelListEntry("auditlog.LogEntry", "history"),
            ModelListEntry("axes.AccessAttempt", "gpp_bad"),
            ModelListEntry("axes.AccessLog", "login"),
        ],
    ),
]


def build_sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the sections with the entries that the user may open; empty sections are left out."""
    home: dict[str, Any] = {"title": _("Home"), "icon": "home", "link": reverse("admin:index")}
    sections: list[dict[str, Any]] = [{"title": None, "items": [home]}]
    for title, entries in SECTIONS:
        items = [item for entry in entries for item in _build_items(entry, request)]
        if items:
            sections.append({"title": title, "separator": True, "items": items})
    _mark_active_item(sections, request.path)
    return sections


def _mark_active_item(sections: list[dict[str, Any]], path: str) -> None:
    """Mark the entry with the longest URL that the page's URL starts with; the URLs of pages can be below that of a list."""
    items = [item for section in sections for item in section["items"]]
    home = reverse("admin:index")
    candidates = {item["link"] for item in items if path.startswith(item["link"])} - ({home} if path != home else set())
    active_url = max(candidates, key=len, default="")
    for item in items:
        item["active"] = item["link"] == active_url


def _build_items(entry: ModelListEntry | PageEntry, request: HttpRequest) -> Iterator[dict[str, Any]]:
    if isinstance(entry, PageEntry):
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


def build_account_menu(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the links of the menu at the user's name."""
    if not request.user.is_authenticated:
        return []
    links: list[tuple[str | Promise, str]] = [
        (_("Two-factor authentication"), "account:two_factor"),
        (_("Sessions"), "account:sessions"),
    ]
    if request.user.has_usable_password():
        links.append((_("Change password"), "admin:password_change"))
    return [{"title": title, "link": reverse(name)} for title, name in links]


def get_shop_name(request: HttpRequest) -> str:
    return settings.SHOP_NAME


def get_environment_label(request: HttpRequest) -> list[str | Promise] | None:
    """Return the label next to the user name that marks a demo installation."""
    return [_("Demo"), "warning"] if settings.DEMO else None
