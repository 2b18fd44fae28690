"""The share of customers whose actual orders and spend were within the 80 % intervals, on orders after those used for the intervals."""

from typing import Any

from customers.lifecycle.models import ScoreModel
from customers.lifecycle.scoring.clv.prediction.interval_calibration import LEVEL

MAX_COVERAGE_ERROR = 0.05  # an alert is raised when the share differs from the stated probability by more than this
MIN_CUSTOMERS = 250  # the standard error of 80 % is 2.5 points then, half of the largest error allowed


def list_held_coverage(score_model: ScoreModel) -> list[dict[str, Any]]:
    """Return the coverage by horizon, shortest first.

    days, cutoff (microseconds), customers; orders, spend: shares within the intervals as published; uncorrected_orders,
    uncorrected_spend: within those of the model alone. Shares of spend are None without a model of it.
    """
    rows: dict[int, dict[str, Any]] = {}
    for figures in score_model.figures.get("held_coverage", []):
        quantity = "orders" if figures["quantity"] == "purchases" else "spend"
        row = rows.setdefault(
            figures["horizon_days"],
            {
                "days": figures["horizon_days"],
                "cutoff": figures["cutoff"],
                "customers": figures["customers"],
                **dict.fromkeys(("orders", "spend", "uncorrected_orders", "uncorrected_spend")),
            },
        )
        row[quantity], row[f"uncorrected_{quantity}"] = figures["share"], figures["uncorrected"]
    return [rows[days] for days in sorted(rows)]


def get_held_coverage(score_model: ScoreModel | None) -> dict[str, Any] | None:
    """Return the coverage at the longest horizon tested, which is the closest to 12 months; None without a test."""
    rows = list_held_coverage(score_model) if score_model is not None else []
    if not rows:
        return None
    longest = rows[-1]
    return {"stated": LEVEL, **{name: longest[name] for name in ("days", "customers", "orders", "spend")}}


def is_coverage_off(*, share: float | None, customers: int) -> bool:
    """Return whether the share within the 80 % intervals differs by over 5 points, among at least 250 customers."""
    return share is not None and customers >= MIN_CUSTOMERS and abs(share - LEVEL) > MAX_COVERAGE_ERROR
