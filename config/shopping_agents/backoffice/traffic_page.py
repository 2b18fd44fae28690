"""The page about the traffic of automated visitors, which all other figures leave out."""

from collections import defaultdict
from datetime import date, timedelta
from typing import Any

from django.db.models import Max, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy
from django.views.decorators.http import require_safe

from catalog.models import Product
from config.foundation.agents.known_agents import AgentKind
from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.backoffice.tables import Column, build_table
from config.foundation.charts import build_stacked_chart
from config.foundation.charts.bars import Series
from config.foundation.number_formats import format_count, format_day, format_moment
from config.foundation.shop.profile import get_time_zone
from config.shopping_agents.backoffice.access import VIEW
from config.shopping_agents.backoffice.agent_labels import KIND_LABELS, get_agent_label, get_kind
from customers.events.models import AgentActivity

Action = AgentActivity.Action
DAYS = 28
TOP = 20
AGENT_COLUMNS = (
    Column(key="agent", label=gettext_lazy("Agent"), align="text"),
    Column(key="kind", label=gettext_lazy("Type"), align="text"),
    Column(key="page", label=gettext_lazy("Page views")),
    Column(key="view", label=gettext_lazy("Product views")),
    Column(key="search", label=gettext_lazy("Searches")),
    Column(key="cart", label=gettext_lazy("Added to cart")),
    Column(key="order", label=gettext_lazy("Orders")),
    Column(key="fetched", label=gettext_lazy("Feed and catalog queries")),
    Column(key="last", label=gettext_lazy("Last"), align="text"),
)
READ_COLUMNS = (
    Column(key="name", label=pgettext_lazy("thing", "Name"), align="text"),
    Column(key="agents", label=gettext_lazy("By agents")),
    Column(key="crawlers", label=gettext_lazy("By crawlers")),
)


@require_safe
def show_traffic(request: HttpRequest) -> HttpResponse:
    """Show the last 28 days by day, agent, product and page."""
    check_permissions(request, VIEW)
    now = timezone.now()
    today = now.astimezone(get_time_zone()).date()
    days = [today - timedelta(days=number) for number in reversed(range(DAYS))]
    activity = AgentActivity.objects.filter(day__gte=days[0], day__lte=today)
    agents = summarize_agents(activity)
    return render_page(
        request,
        "admin/shopping_agents/traffic.html",
        title=_("Agent traffic"),
        verdict=describe_traffic(agents),
        as_of=now,
        has_traffic=bool(agents),
        chart=build_chart(activity, days),
        agents=build_table(
            request, agents, id="agents", label=_("Agents"), columns=AGENT_COLUMNS, format_row=format_agent
        ),
        products=build_table(
            request,
            list_products(activity),
            id="products",
            label=_("Products"),
            columns=READ_COLUMNS,
            format_row=format_read,
        ),
        pages=build_table(
            request,
            list_pages(activity),
            id="pages",
            label=pgettext("web pages", "Pages"),
            columns=READ_COLUMNS,
            format_row=format_read,
        ),
    )


def summarize_agents(activity: QuerySet[AgentActivity]) -> list[dict[str, Any]]:
    """Return the event counts of each agent by action, the busiest agent first."""
    agents: dict[str, dict[str, Any]] = {}
    rows = activity.order_by().values("agent", "action").annotate(events_sum=Sum("events"), last=Max("last_at"))
    for row in rows:
        agent = agents.setdefault(
            row["agent"], {"agent": row["agent"], "total": 0, "last": row["last"], "counts": defaultdict(int)}
        )
        action = "fetched" if row["action"] in (Action.FEED, Action.CATALOG) else row["action"]
        agent["counts"][action] += row["events_sum"]
        agent["total"] += row["events_sum"]
        agent["last"] = max(agent["last"], row["last"])
    return sorted(agents.values(), key=lambda agent: (-agent["total"], agent["agent"]))


def describe_traffic(agents: list[dict[str, Any]]) -> str:
    """Return one sentence on the last 28 days."""
    if not agents:
        return _("No crawler or agent was recognized in the last 28 days.")
    totals = {kind: sum(agent["total"] for agent in agents if get_kind(agent["agent"]) is kind) for kind in AgentKind}
    return _(
        "%(agents)s requests from agents acting for people and %(crawlers)s from crawlers in the last 28 days."
    ) % {
        "agents": format_count(totals[AgentKind.AGENT]),
        "crawlers": format_count(totals[AgentKind.CRAWLER]),
    }


def build_chart(activity: QuerySet[AgentActivity], days: list[date]) -> Any:
    """Return the requests by day and type."""
    counts: dict[tuple[AgentKind, date], int] = defaultdict(int)
    for day, agent, events in activity.order_by().values_list("day", "agent").annotate(events_sum=Sum("events")):
        counts[get_kind(agent), day] += events
    series = [Series(str(label), [counts[kind, day] for day in days]) for kind, label in KIND_LABELS.items()]
    return build_stacked_chart(labels=[format_day(day) for day in days], series=series[::-1], x_title=_("Day"))


def list_products(activity: QuerySet[AgentActivity]) -> list[dict[str, Any]]:
    """Return the products that were read most."""
    rows = rank(activity.filter(action=Action.VIEW).exclude(product_id=""), "product_id")
    titles = dict(
        Product.objects.filter(product_id__in=[row["name"] for row in rows]).values_list("product_id", "title")
    )
    return [{**row, "name": titles.get(row["name"], row["name"])} for row in rows]


def list_pages(activity: QuerySet[AgentActivity]) -> list[dict[str, Any]]:
    """Return the pages that were read most."""
    return rank(activity.filter(action=Action.PAGE).exclude(page=""), "page")


def rank(activity: QuerySet[AgentActivity], field: str) -> list[dict[str, Any]]:
    """Return the most frequent values of a field, with the events by type of agent."""
    names = list(activity.order_by().values_list(field).annotate(total=Sum("events")).order_by("-total", field)[:TOP])
    counts: dict[str, dict[AgentKind, int]] = {name: defaultdict(int) for name, _total in names}
    rows = activity.filter(**{f"{field}__in": list(counts)}).order_by()
    for name, agent, events in rows.values_list(field, "agent").annotate(total=Sum("events")):
        counts[name][get_kind(agent)] += events
    return [
        {"name": name, "agents": kinds[AgentKind.AGENT], "crawlers": kinds[AgentKind.CRAWLER]}
        for name, kinds in counts.items()
    ]


def format_agent(row: dict[str, Any]) -> dict[str, Any]:
    counts = {
        name: format_count(row["counts"].get(name, 0))
        for name in ("page", "view", "search", "cart", "order", "fetched")
    }
    return {
        "agent": get_agent_label(row["agent"]),
        "kind": KIND_LABELS[get_kind(row["agent"])],
        **counts,
        "last": format_moment(row["last"]),
    }


def format_read(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "agents": format_count(row["agents"]), "crawlers": format_count(row["crawlers"])}
