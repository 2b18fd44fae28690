"""The sentence at the top of each Lifecycle page, computed from its figures."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from enum import Enum, auto
from typing import Any, NamedTuple

from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from config.foundation.number_formats import format_count, format_whole_percent, join_sentences
from customers.lifecycle.alerts import (
    MAX_CALIBRATION_ERROR,
    MIN_AUC,
    MIN_CUSTOMERS_FOR_AUC,
    get_backtests,
    has_low_auc,
    is_miscalibrated,
)
from customers.lifecycle.backoffice.labels.cluster_labels import get_cluster_names
from customers.lifecycle.backoffice.labels.difference_labels import GOOD_STAGES, QUIET_STAGES
from customers.lifecycle.backoffice.labels.propensity_labels import describe_fallback
from customers.lifecycle.clv.backtest import MAX_RATIO_ERROR, is_forecast_off
from customers.lifecycle.models import RfmGroup, ScoreModel

LAPSED_GROUPS = (RfmGroup.AT_RISK, RfmGroup.CANT_LOSE)  # their recency is relative: the last order may be days ago
MAX_FACTOR = (
    2.0  # predictions are reliable if the interval of actual / predicted orders is within half to twice as many
)

type Rows = Sequence[Mapping[str, Any]]


def count_flow(rows: Rows, *, from_stages: Sequence[str], to_stages: Sequence[str]) -> int:
    """Return the customers of `count_stage_flows` who changed from one of these stages to one of those."""
    return sum(row["customers"] for row in rows if row["from_stage"] in from_stages and row["to_stage"] in to_stages)


def describe_stages(rows: Rows, *, first_day: date) -> str:
    """Return how many customers order as usual now, and how many became inactive or came back since the first day."""
    total = sum(row["customers"] for row in rows if row["to_stage"] in (*GOOD_STAGES, *QUIET_STAGES))
    if not total:
        return _("No customer has ordered yet.")
    active = sum(row["customers"] for row in rows if row["to_stage"] in GOOD_STAGES)
    return ngettext(
        "%(share)s of %(total)s customer with orders is new, active, loyal or won back; since %(day)s, %(lost)s became at risk, "
        "dormant or churned and %(back)s came back.",
        "%(share)s of %(total)s customers with orders are new, active, loyal or won back; since %(day)s, %(lost)s became at risk, "
        "dormant or churned and %(back)s came back.",
        total,
    ) % {
        "share": format_whole_percent(active / total),
        "total": format_count(total),
        "day": date_format(first_day, "DATE_FORMAT"),
        "lost": format_count(count_flow(rows, from_stages=GOOD_STAGES, to_stages=QUIET_STAGES)),
        "back": format_count(count_flow(rows, from_stages=QUIET_STAGES, to_stages=GOOD_STAGES)),
    }


def describe_stage_changes(rows: Rows) -> str:
    """Return how many customers changed stage between the two days, and how many were not known before."""
    known = [row for row in rows if row["from_stage"]]
    return join_sentences(
        [_describe_moves(known), _describe_new(sum(row["customers"] for row in rows if not row["from_stage"]))]
    )


def _describe_moves(rows: Rows) -> str:
    total = sum(row["customers"] for row in rows)
    moved = sum(row["customers"] for row in rows if row["from_stage"] != row["to_stage"])
    if not moved:
        return _("No customer is in another stage than at the beginning of this period.")
    return ngettext(
        "%(moved)s of %(total)s customer is in another stage than at the beginning of this period: %(lost)s became at risk, dormant or "
        "churned, and %(back)s came back.",
        "%(moved)s of %(total)s customers are in another stage than at the beginning of this period: %(lost)s became at risk, dormant or "
        "churned, and %(back)s came back.",
        total,
    ) % {
        "moved": format_count(moved),
        "total": format_count(total),
        "lost": format_count(count_flow(rows, from_stages=GOOD_STAGES, to_stages=QUIET_STAGES)),
        "back": format_count(count_flow(rows, from_stages=QUIET_STAGES, to_stages=GOOD_STAGES)),
    }


def _describe_new(customers: int) -> str:
    if not customers:
        return ""
    return ngettext(
        "%(new)s customer was new in this period.", "%(new)s customers were new in this period.", customers
    ) % {"new": format_count(customers)}


def describe_rfm(groups: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the group with the most revenue, and the revenue of good customers who ordered less recently; "" without customers.

    groups: customers and revenue by RFM group.
    """
    customers = sum(row["customers"] for row in groups.values())
    revenue = float(sum(row["revenue"] for row in groups.values()))
    if not customers:
        return ""
    if revenue <= 0:
        largest = max(groups, key=lambda group: groups[group]["customers"])
        return _("The largest RFM group is %(group)s with %(share)s of customers.") % {
            "group": capfirst(str(RfmGroup(largest).label)),
            "share": format_whole_percent(groups[largest]["customers"] / customers),
        }
    best = max(groups, key=lambda group: groups[group]["revenue"])
    lapsed = float(sum(groups[group]["revenue"] for group in LAPSED_GROUPS if group in groups))
    values = {
        "group": capfirst(str(RfmGroup(best).label)),
        "share": format_whole_percent(groups[best]["customers"] / customers),
        "revenue": format_whole_percent(float(groups[best]["revenue"]) / revenue),
        "lapsed": format_whole_percent(lapsed / revenue),
        "first": capfirst(str(LAPSED_GROUPS[0].label)),
        "second": capfirst(str(LAPSED_GROUPS[1].label)),
    }
    if best in LAPSED_GROUPS or lapsed <= 0:
        return (
            _("The RFM group with the most revenue is %(group)s: %(share)s of customers, %(revenue)s of revenue.")
            % values
        )
    return (
        _(
            "The RFM group with the most revenue is %(group)s: %(share)s of customers, %(revenue)s of revenue; another %(lapsed)s "
            "comes from %(first)s and %(second)s, who ordered less recently than most other customers."
        )
        % values
    )


class OrderVerdict(Enum):
    """What a test says about predicted orders."""

    UNTESTED = auto()
    RELIABLE = auto()
    UNCERTAIN = auto()  # too few orders
    OFF = auto()


class OrderRatio(NamedTuple):
    """Actual ÷ predicted orders, None without a test, and the verdict."""

    value: float | None
    verdict: OrderVerdict


def find_order_ratio(score_model: ScoreModel) -> OrderRatio:
    """Return actual ÷ predicted orders and what it says.

    It is the ratio of the first earlier refresh that was off, else that of the latest backtested refresh, else that of the test.
    """
    backtests = get_backtests(score_model)
    off = [figures for figures in backtests if is_forecast_off(figures)]
    for figures in (*off, *backtests):
        if figures["ratio"] is not None:
            return OrderRatio(figures["ratio"], judge_order_ratio(figures))
    held_out = score_model.figures.get("held_out", {}).get(score_model.algorithm) or {}
    if not held_out.get("total_ratio"):
        return OrderRatio(None, OrderVerdict.UNTESTED)
    ratio = 1 / held_out["total_ratio"]
    # Tests of earlier releases have no interval.
    return OrderRatio(ratio, judge_order_ratio({"low": ratio, "high": ratio, **held_out, "ratio": ratio}))


def judge_order_ratio(figures: Mapping[str, Any]) -> OrderVerdict:
    """Return the verdict on a ratio with its 95% interval: low and high, None if unknown.

    Orders are off as for alerts, if the whole interval differs from 1 by over 25%. They are reliable if the ratio differs by at most 25%
    and the interval is within half to twice as many. Otherwise, there are too few orders to know.
    """
    if is_forecast_off(figures):
        return OrderVerdict.OFF
    low, high = figures["low"], figures["high"]
    is_precise = low is not None and high is not None and low >= 1 / MAX_FACTOR and high <= MAX_FACTOR
    is_close = abs(figures["ratio"] - 1) <= MAX_RATIO_ERROR
    return OrderVerdict.RELIABLE if is_close and is_precise else OrderVerdict.UNCERTAIN


def describe_value(score_model: ScoreModel, deciles: Rows = ()) -> str:
    """Return the share of the most valuable tenth of customers and whether predicted orders were right.

    deciles: by predicted value, highest first; without ten of them the sentence is only about the predictions.
    """
    ratio, verdict = find_order_ratio(score_model)
    total = sum(row["value"] for row in deciles)
    values = {"ratio": format_whole_percent(ratio)}
    if len(deciles) < 10 or total <= 0:
        return get_order_text(verdict) % values
    return get_value_text(verdict) % {**values, "share": format_whole_percent(float(deciles[0]["value"] / total))}


def get_order_text(verdict: OrderVerdict) -> str:
    match verdict:
        case OrderVerdict.UNTESTED:
            return _("Predictions of orders are not tested yet, because the order history is too short.")
        case OrderVerdict.OFF:
            return _("Predictions of orders are not reliable: actual orders were %(ratio)s of those predicted.")
        case OrderVerdict.UNCERTAIN:
            return _(
                "There are too few orders to test predictions of orders precisely: actual orders were %(ratio)s of those predicted, "
                "which can be chance."
            )
        case OrderVerdict.RELIABLE:
            return _("Predictions of orders are reliable: actual orders were %(ratio)s of those predicted.")


def get_value_text(verdict: OrderVerdict) -> str:
    """Return the sentence with the share of the most valuable tenth of customers."""
    match verdict:
        case OrderVerdict.UNTESTED:
            return _(
                "The top 10%% of customers account for %(share)s of the predicted value; the predictions are not tested yet, because "
                "the order history is too short."
            )
        case OrderVerdict.OFF:
            return _(
                "The top 10%% of customers account for %(share)s of the predicted value, but the predictions are not reliable: actual "
                "orders were %(ratio)s of those predicted."
            )
        case OrderVerdict.UNCERTAIN:
            return _(
                "The top 10%% of customers account for %(share)s of the predicted value, but there are too few orders to test the "
                "predictions precisely: actual orders were %(ratio)s of those predicted, which can be chance."
            )
        case OrderVerdict.RELIABLE:
            return _(
                "The top 10%% of customers account for %(share)s of the predicted value, and the predictions are reliable: actual "
                "orders were %(ratio)s of those predicted."
            )


def describe_prediction(score_model: ScoreModel, *, random_gap: float | None = None) -> str:
    """Return whether predictions of churn or of a purchase are reliable, with the figures that show it.

    They are not reliable if an earlier refresh raised an alert, or if the test has a low AUC or a group that differs by over 10 points
    and by more than chance explains. random_gap: the largest difference that chance explains, from 0 to 1; None: unknown.
    """
    if score_model.reason:
        return describe_fallback(score_model)
    name = {"name": capfirst(str(score_model.get_kind_display()))}
    backtests = get_backtests(score_model)
    for backtest in filter(is_miscalibrated, backtests):
        return _(
            "%(name)s: predictions are not reliable; the mean prediction of %(day)s was %(predicted)s, but the actual rate was %(actual)s."
        ) % {
            **name,
            "day": date_format(localtime(datetime.fromisoformat(backtest["as_of"])), "DATE_FORMAT"),
            "predicted": format_whole_percent(backtest["mean_predicted"]),
            "actual": format_whole_percent(backtest["rate"]),
        }
    quality = score_model.figures.get("quality")
    if not quality or not len(quality["curve"]["predicted"]):
        return _("%(name)s: predictions are not tested yet.") % name
    if is_hardly_better_than_random(score_model):
        return _("%(name)s: predictions are hardly better than random, so don't select customers based on them.") % name
    predicted, actual = find_largest_gap(quality)
    return get_prediction_text(
        is_churn=score_model.kind == ScoreModel.Kind.CHURN,
        is_off=has_gap(quality, random_gap=random_gap),
        is_uncertain=has_gap(quality, random_gap=None),
    ) % {
        **name,
        "predicted": format_whole_percent(predicted),
        "actual": format_whole_percent(actual),
        "groups": format_count(len(quality["curve"]["predicted"])),
    }


def is_unreliable(score_model: ScoreModel, *, random_gap: float | None = None) -> bool:
    """Return whether `describe_prediction` says that predictions are not reliable, or hardly better than random."""
    if score_model.reason:
        return False
    if any(map(is_miscalibrated, get_backtests(score_model))):
        return True
    quality = score_model.figures.get("quality")
    if not quality or not len(quality["curve"]["predicted"]):
        return False
    return is_hardly_better_than_random(score_model) or has_gap(quality, random_gap=random_gap)


def is_hardly_better_than_random(score_model: ScoreModel) -> bool:
    quality = score_model.figures["quality"]
    low_auc = quality["auc"] is not None and quality["customers"] >= MIN_CUSTOMERS_FOR_AUC and quality["auc"] < MIN_AUC
    return bool(low_auc) or any(map(has_low_auc, get_backtests(score_model)))


def find_largest_gap(quality: Mapping[str, Any]) -> tuple[float, float]:
    """Return the predicted and the actual rate of the group in which they differ most."""
    pairs = zip(quality["curve"]["predicted"], quality["curve"]["actual"], strict=True)
    return max(pairs, key=lambda pair: abs(pair[0] - pair[1]))


def has_gap(quality: Mapping[str, Any], *, random_gap: float | None) -> bool:
    """Return whether a group differs by more than alerts allow and by more than chance explains."""
    predicted, actual = find_largest_gap(quality)
    gap = abs(predicted - actual)
    return gap > MAX_CALIBRATION_ERROR and (random_gap is None or gap > random_gap)


def get_prediction_text(*, is_churn: bool, is_off: bool, is_uncertain: bool) -> str:
    """Return the sentence for predictions. is_uncertain: a difference is large, but with so few customers chance explains it."""
    if is_churn:
        if is_off:
            return _(
                "Churn predictions are not reliable: %(actual)s of customers with a churn risk around %(predicted)s left, the "
                "largest difference among %(groups)s groups."
            )
        if is_uncertain:
            return _(
                "There are too few customers to test churn predictions precisely: %(actual)s of customers with a churn risk around "
                "%(predicted)s left, which can be chance; it is the largest difference among %(groups)s groups."
            )
        return _(
            "Churn predictions are reliable: %(actual)s of customers with a churn risk around %(predicted)s left, the "
            "largest difference among %(groups)s groups."
        )
    if is_off:
        return _(
            "%(name)s: predictions are not reliable; %(actual)s of customers with a probability around %(predicted)s "
            "ordered, the largest difference among %(groups)s groups."
        )
    if is_uncertain:
        return _(
            "%(name)s: there are too few customers to test predictions precisely; %(actual)s of customers with a probability around "
            "%(predicted)s ordered, which can be chance; it is the largest difference among %(groups)s groups."
        )
    return _(
        "%(name)s: predictions are reliable; %(actual)s of customers with a probability around %(predicted)s ordered, "
        "the largest difference among %(groups)s groups."
    )


def describe_next_category(score_model: ScoreModel) -> str:
    """Return how often the predicted category was right, compared with the best simple rule."""
    judged = score_model.figures.get("judged", {})
    own = judged.get("history", {}).get("hit_1")
    simple = [row["hit_1"] for name, row in judged.items() if name != "history" and row["hit_1"] is not None]
    if score_model.reason or own is None or not simple:
        reason = str(score_model.get_reason_display()) if score_model.reason else ""
        return f"{capfirst(reason)}." if reason else _("The predicted category is not tested yet.")
    return _(
        "The most likely category was right for %(share)s of customers, against %(simple)s with the better of two simple rules."
    ) % {"share": format_whole_percent(own), "simple": format_whole_percent(max(simple))}


def describe_clusters(score_model: ScoreModel) -> str:
    """Return the number of clusters, the largest one, and whether they are stable."""
    metadata = score_model.parameters["words"]
    largest = max(metadata["clusters"], key=lambda cluster: cluster["customers"])
    values = {
        "count": format_count(len(metadata["clusters"])),
        "name": get_cluster_names(score_model)[largest["id"]],
        "share": format_whole_percent(largest["share"]),
    }
    if metadata["stable"]:
        return _("Customers form %(count)s clusters; the largest (%(name)s) has %(share)s of them.") % values
    return (
        _(
            "Customers form %(count)s clusters, which are not stable: use them with care; the largest (%(name)s) has %(share)s of "
            "customers."
        )
        % values
    )
