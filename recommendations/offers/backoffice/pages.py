"""Campaigns › On-site offers: the list, and one offer with its preview, its results and the buttons that start and pause it."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.backoffice.tables import Cell, Column, build_table
from config.foundation.number_formats import format_count, format_decimals, format_percent
from config.foundation.slow_figures import get_figures
from customers.identity.models import Identifier
from recommendations.experiments.models import Experiment
from recommendations.offers.backoffice.result_texts import describe_order_effect, describe_results
from recommendations.offers.decision import OfferRequest, decide_offer
from recommendations.offers.editing import OfferNotReadyError, pause_offer, start_offer
from recommendations.offers.models import Offer, OfferExposure
from recommendations.offers.results import OfferResults, measure_offer
from recommendations.offers.variants import KIND

VIEW_EXPERIMENTS = "experiments.view_experiment"
VIEW, CHANGE, ADD = "offers.view_offer", "offers.change_offer", "offers.add_offer"
PERIOD = timedelta(days=30)
BADGES = {"draft": "neutral", "running": "good", "paused": "warns", "ended": "neutral"}
COLUMNS = (
    Column(key="name", label=gettext_lazy("name"), sort="name", align="text"),
    Column(key="status", label=gettext_lazy("status"), sort="status", align="text"),
    Column(key="placement", label=gettext_lazy("place"), sort="placement", align="text"),
    Column(key="segment", label=gettext_lazy("segment"), sort="segment__name", align="text"),
    Column(key="priority", label=gettext_lazy("priority"), sort="priority"),
    Column(key="shows", label=gettext_lazy("Impressions, 30 days")),
    Column(key="clicks", label=gettext_lazy("Click-through rate")),
)


def show_offers(request: HttpRequest) -> HttpResponse:
    """Show all offers with what they did in the last 30 days."""
    check_permissions(request, VIEW)
    now = timezone.now()
    counts = get_figures("offers.list", dict[int, tuple[int, int]], lambda: count_recent(since=now - PERIOD))

    def format_row(offer: Offer) -> Mapping[str, Any]:
        shows, clicks = counts.get(offer.pk, (0, 0))
        return {
            "name": Cell(offer.name, url=reverse("onsite_offers:offer", args=[offer.pk])),
            "status": offer.get_status_display(),
            "placement": offer.placement,
            "segment": str(offer.segment) if offer.segment else _("Everyone"),
            "priority": offer.priority,
            "shows": format_count(shows),
            "clicks": format_percent(clicks / shows) if shows else None,
        }

    offers = Offer.objects.select_related("segment")
    running = offers.filter(status=Offer.Status.RUNNING).count()
    return render_page(
        request,
        "admin/offers/list.html",
        title=_("On-site offers"),
        verdict=ngettext("%(count)s offer is running.", "%(count)s offers are running.", running)
        % {"count": format_count(running)},
        as_of=now,
        table=build_table(
            request,
            offers,
            id="offers",
            label=_("On-site offers"),
            columns=COLUMNS,
            format_row=format_row,
            default_sort="-priority",
        ),
        may_add=request.user.has_perm(ADD),
    )


def count_recent(*, since: Any) -> dict[int, tuple[int, int]]:
    """Return shows and clicks of each offer since a moment."""
    shown = OfferExposure.objects.filter(decided_at__gte=since, arm=OfferExposure.Arm.SHOWN).order_by()
    rows = shown.values_list("offer_id").annotate(Count("pk"), Count("clicked_at"))
    return {offer_id: (shows, clicks) for offer_id, shows, clicks in rows}


def show_one_offer(request: HttpRequest, offer_id: int) -> HttpResponse:
    """Show an offer as visitors see it, what it did, and on request what one customer would see."""
    check_permissions(request, VIEW)
    offer = get_object_or_404(Offer.objects.select_related("segment").prefetch_related("contents"), pk=offer_id)
    now = timezone.now()
    results = get_figures(f"offers.results.{offer.pk}", OfferResults, lambda: measure_offer(offer=offer, as_of=now))
    return render_page(
        request,
        "admin/offers/offer.html",
        title=offer.name,
        verdict=describe_results(offer, results),
        as_of=results.as_of,
        offer=offer,
        badge=BADGES[offer.status],
        contents=list(offer.contents.all()),
        results=results,
        figures=build_figures(results),
        groups=build_groups(results),
        order_effect=describe_order_effect(results),
        user_id=request.GET.get("user_id", ""),
        is_unknown_customer=is_unknown_customer(request.GET.get("user_id", "")),
        outcomes=try_customer(offer, request.GET.get("user_id", ""), now=now),
        may_change=request.user.has_perm(CHANGE),
        is_running=offer.status == Offer.Status.RUNNING,
        experiment=find_running_experiment(offer) if request.user.has_perm(VIEW_EXPERIMENTS) else None,
    )


def find_running_experiment(offer: Offer) -> Experiment | None:
    """Return the experiment that varies the offer now."""
    return Experiment.objects.filter(kind=KIND, subject=offer.key, status=Experiment.Status.RUNNING).first()


def build_figures(results: OfferResults) -> list[dict[str, str]]:
    return [
        {"label": _("Impressions"), "value": format_count(results.shows)},
        {"label": _("Visitors"), "value": format_count(results.visitors)},
        {"label": _("Clicks"), "value": format_count(results.clicks)},
        {"label": _("Click-through rate"), "value": format_percent(results.click_through_rate)},
        {"label": _("Closed"), "value": format_count(results.closes)},
    ]


def build_groups(results: OfferResults) -> list[dict[str, str]]:
    """Return the rows of the comparison."""
    return [
        {
            "name": name,
            "people": format_count(group.people),
            "buyers": format_count(group.buyers),
            "orders": format_count(group.orders),
            "per_person": "" if group.orders_per_person is None else format_decimals(group.orders_per_person, 2),
            "rate": format_percent(group.conversion_rate),
        }
        for name, group in ((_("Saw the offer"), results.shown), (_("Holdout"), results.held_out))
    ]


def is_unknown_customer(user_id: str) -> bool:
    """Return whether a user ID was entered that no customer has, so the outcomes are those of an unknown visitor."""
    if not user_id or "\0" in user_id:
        return bool(user_id)
    return not Identifier.objects.filter(kind=Identifier.Kind.USER_ID, value=user_id[:255]).exists()


def try_customer(offer: Offer, user_id: str, *, now: Any) -> Sequence[tuple[Offer, str]]:
    """Return what each running offer of the placement says to a customer; nothing is recorded."""
    if not user_id or "\0" in user_id:
        return []
    decision = decide_offer(request=OfferRequest(offer.placement, user_id=user_id[:255]), now=now, is_recorded=False)
    return [(tried, str(outcome.label)) for tried, outcome in decision.outcomes]


@require_POST
def start(request: HttpRequest, offer_id: int) -> HttpResponse:
    check_permissions(request, CHANGE)
    offer = get_object_or_404(Offer, pk=offer_id)
    try:
        start_offer(offer=offer, now=timezone.now())
        messages.success(request, _("The offer is running. Pages show it within a few seconds."))
    except OfferNotReadyError as error:
        messages.error(request, str(error))
    return HttpResponseRedirect(reverse("onsite_offers:offer", args=[offer.pk]))


@require_POST
def pause(request: HttpRequest, offer_id: int) -> HttpResponse:
    check_permissions(request, CHANGE)
    offer = get_object_or_404(Offer, pk=offer_id)
    try:
        pause_offer(offer=offer)
        messages.success(request, _("The offer is paused. Pages stop showing it within a few seconds."))
    except OfferNotReadyError as error:
        messages.error(request, str(error))
    return HttpResponseRedirect(reverse("onsite_offers:offer", args=[offer.pk]))
