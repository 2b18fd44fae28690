"""The areas of the back office with their tabs, in the order of the menu."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


@dataclass(frozen=True)
class Tab:
    """A tab of an area. A tab with several pages shows them in a second row."""

    key: str
    label: str | Promise


@dataclass(frozen=True)
class Area:
    """An entry of the menu. An area with one tab of one page shows no tabs."""

    key: str
    label: str | Promise
    icon: str
    tabs: tuple[Tab, ...]


AREAS: tuple[Area, ...] = (
    Area(
        "home",
        _("Home"),
        "home",
        (
            Tab("home", _("Home")),
            Tab("suggestions", pgettext_lazy("next steps", "Suggestions")),
            Tab("ask", _("Ask")),
        ),
    ),
    Area(
        "customers",
        _("Customers"),
        "person",
        (
            Tab("all", pgettext_lazy("customers", "All")),
            Tab("lifecycle", _("Lifecycle")),
            Tab("loyalty", _("Loyalty")),
            Tab("orders", _("Orders")),
            Tab("identity", _("Identity")),
        ),
    ),
    Area("segments", _("Segments"), "groups", (Tab("all", pgettext_lazy("segments", "All")),)),
    Area(
        "campaigns",
        _("Campaigns"),
        "campaign",
        (
            Tab("campaigns", _("Campaigns")),
            Tab("flows", _("Flows")),
            Tab("templates", _("Templates")),
            Tab("calendar", _("Calendar")),
            Tab("results", _("Results")),
            Tab("uplift", _("Uplift")),
            Tab("suppressions", _("Suppressions")),
            Tab("outbox", _("Outbox")),
        ),
    ),
    Area(
        "recommendations",
        _("Recommendations"),
        "auto_awesome",
        (
            Tab("placements", _("Placements")),
            Tab("rules", _("Rules")),
            Tab("search", _("Search")),
            Tab("performance", _("Performance")),
            Tab("models", _("Models")),
        ),
    ),
    Area(
        "analytics",
        _("Analytics"),
        "monitoring",
        (
            Tab("overview", _("Overview")),
            Tab("outcomes", _("Outcomes")),
            Tab("anomalies", _("Anomalies")),
            Tab("funnels", _("Funnels")),
            Tab("retention", _("Retention")),
            Tab("paths", _("Paths")),
            Tab("trends", _("Trends")),
            Tab("activity", _("Activity")),
            Tab("products", _("Products")),
            Tab("demand", _("Demand")),
            Tab("feedback", _("Feedback")),
            Tab("behavior-prediction", _("Behavior prediction")),
        ),
    ),
    Area("experiments", _("Experiments"), "experiment", (Tab("all", pgettext_lazy("experiments", "All")),)),
    Area(
        "catalog",
        _("Catalog"),
        "inventory_2",
        (
            Tab("products", _("Products")),
            Tab("categories", _("Categories")),
            Tab("feeds", _("Feeds")),
            Tab("agents", _("Shopping agents")),
        ),
    ),
    Area(
        "data",
        _("Data"),
        "database",
        (
            Tab("sources", _("Sources")),
            Tab("connectors", _("Connectors")),
            Tab("destinations", _("Destinations")),
            Tab("live", _("Live events")),
            Tab("imports", _("Imports")),
            Tab("rejected", _("Rejected")),
            Tab("warehouse", _("Warehouse")),
        ),
    ),
    Area(
        "settings",
        _("Settings"),
        "settings",
        (
            Tab("jobs", _("Jobs")),
            Tab("keys", _("API keys")),
            Tab("team", _("Team and roles")),
            Tab("stages", _("Stage rules")),
            Tab("sending", _("Sending")),
            Tab("privacy", _("Privacy")),
            Tab("records", _("Policy and records")),
            Tab("brand", _("Brand and email")),
            Tab("audit", _("Audit log")),
            Tab("tables", _("Tables")),
        ),
    ),
)


def find_tab(path: str) -> Tab:
    """Return the tab with a path such as "customers.lifecycle". Errors: ValueError."""
    area_key, _point, tab_key = path.partition(".")
    tabs = {f"{area.key}.{tab.key}": tab for area in AREAS for tab in area.tabs}
    if path not in tabs:
        raise ValueError(f"Unknown tab {path!r} of area {area_key!r} ({tab_key!r}); valid: {', '.join(tabs)}.")
    return tabs[path]
