"""The page of the product feed for shopping agents: its state and addresses, what is left out, who fetched it, and the switch."""

import logging
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db.models import Max, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods
from kombu.exceptions import OperationalError

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.backoffice.tables import Column, build_table
from config.foundation.number_formats import format_count, format_decimals, format_moment
from config.shopping_agents import tasks
from config.shopping_agents.backoffice.access import CHANGE, VIEW
from config.shopping_agents.backoffice.agent_labels import EVIDENCE_LABELS, get_agent_label
from config.shopping_agents.catalog_products import LEFT_OUT_LABELS, LeftOut
from config.shopping_agents.feed.building import METADATA, PRODUCTS, delete_feed
from config.shopping_agents.models import AgentFeedFile, AgentFeedSettings, load_feed_file, load_settings
from customers.events.models import AgentActivity

logger = logging.getLogger(__name__)
Action = AgentActivity.Action
ADDRESS_COLUMNS = (
    Column(key="what", label=gettext_lazy("Document"), align="text"),
    Column(key="address", label=gettext_lazy("Address"), align="text"),
)
LEFT_OUT_COLUMNS = (
    Column(key="reason", label=gettext_lazy("Reason"), align="text"),
    Column(key="products", label=gettext_lazy("Products")),
    Column(key="fix", label=gettext_lazy("What to do"), align="text"),
)
FETCH_COLUMNS = (
    Column(key="agent", label=gettext_lazy("Agent"), align="text"),
    Column(key="evidence", label=gettext_lazy("Recognized by"), align="text"),
    Column(key="document", label=gettext_lazy("Document"), align="text"),
    Column(key="requests", label=gettext_lazy("Requests")),
    Column(key="last", label=gettext_lazy("Last"), align="text"),
)


class FeedSettingsForm(forms.ModelForm):
    """The switch of the feed and what it contains."""

    class Meta:
        model = AgentFeedSettings
        fields = ["is_enabled", "includes_sold_out", "target_country"]


@require_http_methods(["GET", "HEAD", "POST"])
def show_agents(request: HttpRequest) -> HttpResponse:
    """Show the feed; POST saves the settings."""
    check_permissions(request, CHANGE if request.method == "POST" else VIEW)
    stored, now = load_settings(), timezone.now()
    form = FeedSettingsForm(request.POST if request.method == "POST" else None, instance=stored)
    if form.is_bound and form.is_valid():
        saved = form.save()
        apply_settings(request, saved)
        return HttpResponseRedirect(reverse("shopping_agents:overview"))
    current = load_settings() if form.is_bound else stored
    feed = load_feed_file()
    left_out = [(reason, feed.left_out[reason]) for reason in LeftOut if feed.left_out.get(reason)] if feed else []
    fetches = (
        AgentActivity.objects.filter(action__in=(Action.FEED, Action.CATALOG))
        .values("agent", "evidence", "page")
        .annotate(requests=Sum("events"), last=Max("last_at"))
        .order_by("-last")[:50]
    )
    return render_page(
        request,
        "admin/shopping_agents/overview.html",
        title=_("Shopping agents"),
        verdict=describe_feed(current, feed),
        as_of=now,
        form=form,
        feed=feed,
        feed_size=format_decimals(feed.size / 1e6, 1) if feed else "",
        left_out_total=sum(number for _reason, number in left_out),
        is_enabled=current.is_enabled,
        is_local="://127." in settings.PUBLIC_URL or "://localhost" in settings.PUBLIC_URL,
        may_change=request.user.has_perm(CHANGE),
        addresses=build_table(
            request,
            list_addresses(),
            id="addresses",
            label=_("Addresses"),
            columns=ADDRESS_COLUMNS,
            format_row=lambda row: {"what": row[0], "address": row[1]},
        ),
        left_out=build_table(
            request, left_out, id="left-out", label=_("Left out"), columns=LEFT_OUT_COLUMNS, format_row=format_left_out
        ),
        fetches=build_table(
            request,
            list(fetches),
            id="fetches",
            label=_("Who fetched it"),
            columns=FETCH_COLUMNS,
            format_row=format_fetch,
        ),
        status=400 if form.errors else None,
    )


def apply_settings(request: HttpRequest, saved: AgentFeedSettings) -> None:
    """Have the feed built in the background, or delete it immediately."""
    if not saved.is_enabled:
        delete_feed()
        messages.success(request, _("The settings were saved. Nothing is published."))
        return
    messages.success(request, _("The settings were saved. The feed is built in the background."))
    try:
        tasks.build_agent_feed.delay()
    except OperationalError as error:
        logger.warning("The feed cannot be built now: %s", error)
        messages.warning(
            request,
            _("No worker is available now. The feed will be built within 15 minutes after a worker becomes available."),
        )


def describe_feed(current: AgentFeedSettings, feed: AgentFeedFile | None) -> str:
    """Return the state of the feed in one sentence."""
    if not current.is_enabled:
        return _("The catalog is not published for shopping agents.")
    if feed is None:
        return _("The feed is enabled and will be built within 15 minutes.")
    return _("%(products)s products with %(variants)s variants are published for shopping agents.") % {
        "products": format_count(feed.products),
        "variants": format_count(feed.variants),
    }


def list_addresses() -> list[tuple[str, str]]:
    """Return the public documents with their addresses."""
    base = settings.PUBLIC_URL
    return [
        (_("Products (ACP)"), base + reverse("shopping_agents:feed", args=[PRODUCTS])),
        (_("Metadata of the feed (ACP)"), base + reverse("shopping_agents:feed", args=[METADATA])),
        (_("Discovery document (UCP)"), base + reverse("shopping_agents:profile")),
        (_("Catalog queries (UCP)"), f"{base}/ucp"),
    ]


def format_left_out(row: tuple[LeftOut, int]) -> dict[str, Any]:
    label, fix = LEFT_OUT_LABELS[row[0]]
    return {"reason": label, "products": format_count(row[1]), "fix": fix}


def format_fetch(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "agent": get_agent_label(row["agent"]),
        "evidence": EVIDENCE_LABELS.get(row["evidence"], row["evidence"]),
        "document": row["page"],
        "requests": format_count(row["requests"]),
        "last": format_moment(row["last"]),
    }
