"""Finds what the shop must still send before clicks and orders can be shown: the parameter, event or identifier, and where to send it."""

from dataclasses import dataclass

from django.utils import timezone
from django.utils.translation import gettext as _

from config.foundation.backoffice.date_range import DayRange
from recommendations.engine.placements import FOR_YOU, PLACEMENTS, PlacementInput
from recommendations.serving.backoffice.placements.cards import describe_first_day
from recommendations.serving.impressions.comparison import FiguresComparison, find_requested_today, sample_requests

MIN_NAMED_SHARE = 0.5  # share of requests that name a visitor; below it, most orders cannot be attributed


@dataclass(frozen=True)
class DataGap:
    """Something that the shop does not send. code: the request or event that is missing."""

    title: str
    advice: str
    code: str = ""


def find_data_gaps(comparison: FiguresComparison, days: DayRange, scenario: str = "") -> list[DataGap]:
    """Return what is missing, the first step first; empty if nothing is missing. At most one query."""
    now = comparison.now
    if not now.shown:
        return [make_first_day_gap() if is_requested_today(days, scenario) else make_request_gap(scenario)]
    gaps = []
    if not now.clicked:
        gaps.append(
            DataGap(
                _("No clicks are recorded"),
                _(
                    "Send the recommendation_id of the response and the product_id with the event of the click, and with the product "
                    "view that follows it."
                ),
                'analytics.track("Recommendation Clicked", { recommendation_id, product_id, position: rank })',
            )
        )
    if not now.orders:
        gaps.append(find_order_gap(days, scenario))
    return gaps


def is_requested_today(days: DayRange, scenario: str) -> bool:
    """Return whether the placement, or any one, was requested today, the first day after the range or its last one."""
    now = timezone.now()
    if (timezone.localdate(now) - days.last).days > 1:
        return False
    requested = find_requested_today(now=now)
    return scenario in requested if scenario else bool(requested)


def make_first_day_gap() -> DataGap:
    return DataGap(describe_first_day(), _("Figures are of whole days: those of today are complete when it is over."))


def make_request_gap(scenario: str) -> DataGap:
    path = f"/api/v1/recommendations/{scenario or FOR_YOU}/"
    placement = PLACEMENTS.get(scenario or FOR_YOU)
    needs = {
        PlacementInput.HISTORY: "?user_id=…&anonymous_id=…",
        PlacementInput.PRODUCTS: "?product_ids=…&anonymous_id=…",
        PlacementInput.NOTHING: "?anonymous_id=…",
    }[placement.start if placement else PlacementInput.HISTORY]
    if scenario == "search":
        path, needs = "/api/v1/search/", "?q=…&anonymous_id=…"
    elif scenario == "rank":
        path, needs = "/api/v1/rank/", ""
    return DataGap(
        _("Your shop did not request recommendations in this period")
        if not scenario
        else _("Your shop did not request this placement in this period"),
        _("Request the products from the page that shows them. Impressions are stored within seconds."),
        f"GET {path}{needs}" if needs else f"POST {path}",
    )


def find_order_gap(days: DayRange, scenario: str) -> DataGap:
    """Return why no order is attributed: requests without a visitor, or no such order."""
    sample = sample_requests(days, scenario)
    if sample.responses and sample.with_visitor < MIN_NAMED_SHARE * sample.responses:
        return DataGap(
            _("Most requests do not identify the visitor"),
            _(
                "An order is attributed to the customer who saw the product. Send user_id or anonymous_id with every request, the same "
                "as in the events."
            ),
            "?user_id=…&anonymous_id=…",
        )
    return DataGap(
        _("No orders have been attributed yet"),
        _(
            "Orders are attributed if the same customer buys a product that was shown to them. Check that orders arrive with the "
            "user_id or anonymous_id of the visitor."
        ),
    )
