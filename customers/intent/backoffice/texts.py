"""What the page of behavior prediction calls features, models and problems."""

from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.number_formats import format_count, format_percent, format_whole_percent
from customers.intent.models import IntentRun
from customers.intent.prediction.outcome_model import FEW_OUTCOMES, MIN_OUTCOMES, NOT_BETTER
from customers.intent.training import FEW_SESSIONS, MIN_SESSIONS, NO_EVENTS

type Label = str | Promise

ALGORITHMS: Mapping[str, Label] = {
    "logistic": gettext_lazy("Logistic regression"),
    "additive": gettext_lazy("Additive logistic regression"),
    "boosting": gettext_lazy("Gradient boosting"),
    "rate": gettext_lazy("Average of all sessions"),
}
FEATURES: Mapping[str, Label] = {
    "events": gettext_lazy("Number of events so far"),
    "seconds": gettext_lazy("Time since the start of the session"),
    "pause": gettext_lazy("Time since the previous event"),
    "mean_pause": gettext_lazy("Average time between two events"),
    "views": gettext_lazy("Product views"),
    "list_views": gettext_lazy("Views of product lists"),
    "searches": gettext_lazy("Searches"),
    "carts": gettext_lazy("Products added to the cart"),
    "cart_removals": gettext_lazy("Products removed from the cart"),
    "wishlists": gettext_lazy("Products added to the wishlist"),
    "cart_views": gettext_lazy("Views of the cart"),
    "checkouts": gettext_lazy("Steps of the checkout"),
    "clicks": gettext_lazy("Clicks on recommendations and promotions"),
    "other_events": gettext_lazy("Other pages and events"),
    "in_cart": gettext_lazy("Products in the cart"),
    "seconds_since_cart": gettext_lazy("Time since a product was last added to the cart"),
    "products": gettext_lazy("Different products"),
    "categories": gettext_lazy("Different categories"),
    "repeat_views": gettext_lazy("Repeated views of the same product"),
    "known_products": gettext_lazy("Products seen on an earlier visit"),
    "last_view": gettext_lazy("Last event: product view"),
    "last_list_view": gettext_lazy("Last event: product list"),
    "last_search": gettext_lazy("Last event: search"),
    "last_cart": gettext_lazy("Last event: added to the cart"),
    "last_cart_view": gettext_lazy("Last event: view of the cart"),
    "last_checkout": gettext_lazy("Last event: checkout"),
    "last_other": gettext_lazy("Last event: another page"),
    "orders_before": gettext_lazy("Earlier orders"),
    "is_buyer": gettext_lazy("Has ordered before"),
    "days_since_visit": gettext_lazy("Days since the previous visit"),
    "is_new": gettext_lazy("First visit in 30 days"),
    "hour_sin": gettext_lazy("Between midnight and noon"),
    "hour_cos": gettext_lazy("Between 18:00 and 6:00"),
    "is_weekend": gettext_lazy("Weekend"),
    "is_mobile": gettext_lazy("Phone or tablet"),
    "is_desktop": gettext_lazy("Computer"),
}

# these features are true or false; the others are quantities
FLAGS = frozenset(name for name in FEATURES if name.startswith(("last_", "is_", "hour_")))


def describe_effect(feature: str, *, raises: bool) -> str:
    """Return in words how a feature moves the probability."""
    values = {"feature": FEATURES.get(feature, feature)}
    if feature in FLAGS:
        return (_("%(feature)s: more likely") if raises else _("%(feature)s: less likely")) % values
    if raises:
        return _("%(feature)s: more likely with higher values") % values
    return _("%(feature)s: less likely with higher values") % values


def describe_problem(run: IntentRun | None) -> str:
    """Return why there are no predictions and what to do; an empty text if there are."""
    if run is None:
        return _("Predictions are trained every night. Run the job now to see the first ones.")
    if run.problem == NO_EVENTS:
        return _(
            "No visitor events have arrived in the last few months. Connect your shop first; the next training will use its events."
        )
    if run.problem == FEW_SESSIONS:
        return _(
            "There are %(sessions)s sessions; training needs at least %(needed)s. Training is retried every night."
        ) % {
            "sessions": format_count(run.sessions),
            "needed": format_count(MIN_SESSIONS),
        }
    return ""


def describe_fallback(reason: str) -> str:
    """Return why only the share of all sessions is predicted; an empty text with a model."""
    if reason == FEW_OUTCOMES:
        return _(
            "Too few sessions had one of the two outcomes; a model needs %(needed)s of each. Until then, every session "
            "gets the same probability, the average of all sessions."
        ) % {"needed": format_count(MIN_OUTCOMES)}
    if reason == NOT_BETTER:
        return _(
            "On later sessions, no model was better than the two baselines, the average of all sessions and the type of "
            "the last event, so every session gets the same probability."
        )
    return ""


def describe_verdict(run: IntentRun) -> str:
    """Return in one sentence how good the predictions are."""
    order, leave = run.quality.get("order", {}), run.quality.get("leave", {})
    if "auc" in order:
        return _(
            "When one of two visitors ordered, the prediction gave that visitor the higher probability in %(share)s of cases (50%% is chance)."
        ) % {"share": format_whole_percent(order["auc"])}
    if "auc" in leave:
        return _(
            "There are too few orders to predict them. When one of two visitors left, the prediction gave that visitor the "
            "higher probability of leaving in %(share)s of cases (50%% is chance)."
        ) % {"share": format_whole_percent(leave["auc"])}
    return _(
        "There is not enough data for a model yet; every session gets the average of all sessions as its prediction."
    )


def describe_error(quality: Mapping[str, Any]) -> str:
    """Return how the error compares with that of the better baseline."""
    baseline = min(quality["rate_brier"], quality["last_brier"])
    if not baseline:
        return ""
    change = quality["brier"] / baseline - 1
    name = (
        _("the average of all sessions")
        if quality["rate_brier"] <= quality["last_brier"]
        else _("the type of the last event")
    )
    values = {"share": format_percent(abs(change)), "baseline": name}
    if change < 0:
        return _("The error is %(share)s smaller than that of the better baseline, %(baseline)s.") % values
    return _("The error is %(share)s larger than that of the better baseline, %(baseline)s.") % values


def describe_calibration(quality: Mapping[str, Any]) -> str:
    """Return what was predicted on average and what happened."""
    return _("Predicted on average: %(predicted)s. Actual: %(actual)s.") % {
        "predicted": format_percent(quality["mean_predicted"]),
        "actual": format_percent(quality["rate"]),
    }
