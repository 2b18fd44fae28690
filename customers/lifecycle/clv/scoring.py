"""Predicts orders and value of all customers for the next 12 months.

The purchase model is the one that fits the shop best.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from django.conf import settings
from django.db import connection
from psycopg import sql

from config.foundation.array_types import Floats, Ints
from config.foundation.calendars.local_clock import LocalClock
from customers.lifecycle.clv.backtest import backtest_purchase_models
from customers.lifecycle.facts.amounts import build_amount_currency
from customers.lifecycle.facts.histories import select_purchases, summarize_histories, to_microseconds
from customers.lifecycle.models import VALUE_COLUMNS, LifecycleRun, ScoreModel
from customers.lifecycle.refresh.score_columns import ProfileScores
from customers.lifecycle.refresh.step_timer import StepTimer
from customers.lifecycle.scoring.backtest import backtest_counts
from customers.lifecycle.scoring.clv.fit_diagnostics import compare_by_frequency, compare_repeats, compare_weeks
from customers.lifecycle.scoring.clv.fitting import PurchaseModel, PurchaseModelFit, fit_purchase_model, serialize_fit
from customers.lifecycle.scoring.clv.interval_learning import LearnedIntervals, learn_intervals
from customers.lifecycle.scoring.clv.model_selection import ModelSelection, select_purchase_model
from customers.lifecycle.scoring.clv.models.gamma_gamma import (
    GammaGamma,
    SpendFit,
    fit_gamma_gamma,
    serialize_spend_fit,
)
from customers.lifecycle.scoring.clv.prediction.customer_value import predict_customer_values
from customers.lifecycle.scoring.clv.prediction.interval_calibration import IntervalCalibration, serialize_calibration
from customers.lifecycle.scoring.clv.purchase_histories import (
    HistoryGroups,
    PurchaseHistories,
    group_histories,
)
from customers.lifecycle.scoring.stages.derivation import OrderHistories

FALLBACK_MODEL = "mbg_nbd"  # without a test period; unlike in BG/NBD, one-time buyers can be inactive in it

# Customers with an order in another currency than that of amounts. There are no exchange rates, so what they spend is not known.
OTHER_CURRENCIES = sql.SQL("""
    SELECT DISTINCT customer_id FROM orders_order
    WHERE customer_id IS NOT NULL AND status <> 'cancelled' AND placed_at < {as_of}{customer_filter}
      AND currency <> {currency}
""")


def score_clv(
    *,
    histories: OrderHistories,
    as_of: datetime,
    run: LifecycleRun,
    timer: StepTimer,
    purchases: PurchaseHistories | None = None,
) -> ProfileScores:
    """Select the purchase model on held-out orders, fit it to all orders, and score customers.

    timer: records the time of each step. purchases: those of all orders, if they are known already.
    """
    customer, at, value = select_purchases(histories)
    moment, clock = to_microseconds(as_of), histories.clock
    selection = select_purchase_model(customer=customer, at=at, value=value, as_of=moment, clock=clock)
    timer.record("choose")
    no_spend = find_multi_currency_customers(as_of)
    name = selection.name or FALLBACK_MODEL
    learned = learn_intervals(
        customer=customer, at=at, value=value, as_of=moment, clock=clock, name=name, no_spend=no_spend
    )
    timer.record("intervals")
    purchases = purchases if purchases is not None else summarize_histories(histories, as_of=as_of)
    groups = group_histories(histories=purchases)
    fit = fit_purchase_model(name=name, groups=groups)
    one_currency = ~np.isin(purchases.customer, no_spend)
    spend = fit_gamma_gamma(x=purchases.x[one_currency], mean_value=purchases.mean_value[one_currency])
    timer.record("fit")
    scores = compute_value_columns(
        model=fit.model,
        spend=spend.model,
        calibration=learned.calibration,
        purchases=purchases,
        groups=groups,
        one_currency=one_currency,
    )
    timer.record("value")
    score_models = [
        ScoreModel(
            run=run,
            kind=ScoreModel.Kind.PURCHASE_MODEL,
            algorithm=fit.model.name if fit.model is not None else "",
            parameters=serialize_fit(fit) | {"intervals": serialize_calibration(learned.calibration)},
            figures=summarize_purchase_model(
                selection, fit, groups, customer=customer, at=at, as_of=moment, clock=clock
            )
            | {"held_coverage": summarize_coverage(learned)}
            | {"backtests": backtest_purchase_models(customer=customer, at=at, value=value, as_of=as_of, clock=clock)},
            reason=fit.reason or "",
        ),
        ScoreModel(
            run=run,
            kind=ScoreModel.Kind.SPEND,
            algorithm=spend.model.name if spend.model is not None else "",
            parameters=serialize_spend_fit(spend),
            figures=summarize_spend_model(spend, n_excluded=int((~one_currency).sum())),
            reason=spend.reason or "",
        ),
    ]
    timer.record("figures")
    return ProfileScores(purchases.customer, scores, score_models=score_models)


def compute_value_columns(
    *,
    model: PurchaseModel | None,
    spend: GammaGamma | None,
    calibration: IntervalCalibration,
    purchases: PurchaseHistories,
    groups: HistoryGroups,
    one_currency: npt.NDArray[np.bool_],
) -> dict[str, Floats | Ints]:
    """Return the profile columns by name; NaN if unknown.

    Amounts only for customers with one currency.
    """
    scores: dict[str, Floats | Ints] = {name: np.full(len(purchases), np.nan) for name in VALUE_COLUMNS}
    if model is None or not len(purchases):
        return scores
    predicted = predict_customer_values(
        model=model,
        spend=spend,
        histories=purchases,
        groups=groups,
        margin=settings.VALUE_MARGIN,
        monthly_discount=settings.VALUE_MONTHLY_DISCOUNT,
        calibration=calibration,
    )
    money = {
        "expected_order_value": predicted.mean_spend,
        "value": predicted.value,
        "spend_low": predicted.spend_low,
        "spend_high": predicted.spend_high,
        "interval_probability": predicted.spend_probability,
    }
    return {
        **scores,
        "p_alive": np.clip(predicted.alive, 0.0, 1.0),
        "expected_orders": predicted.purchases,
        "expected_orders_low": predicted.purchases_low.astype(np.float64),
        "expected_orders_high": predicted.purchases_high.astype(np.float64),
        **{name: np.where(one_currency, values, np.nan) for name, values in money.items() if values is not None},
    }


def find_multi_currency_customers(as_of: datetime, customer_ids: Sequence[int] | None = None) -> Ints:
    """Return the IDs of customers with an order not in the currency of amounts.

    Optionally, only some customers are considered.
    """
    customer_filter: sql.Composable = sql.SQL("")
    if customer_ids is not None:
        customer_filter = sql.SQL(" AND customer_id = ANY({}::bigint[])").format(sql.Literal(list(customer_ids)))
    with connection.cursor() as cursor:
        cursor.execute(
            OTHER_CURRENCIES.format(
                as_of=sql.Literal(as_of), customer_filter=customer_filter, currency=build_amount_currency()
            )
        )
        return np.array([customer for (customer,) in cursor.fetchall()], np.int64)


def summarize_purchase_model(
    selection: ModelSelection,
    fit: PurchaseModelFit,
    groups: HistoryGroups,
    *,
    customer: Ints,
    at: Ints,
    as_of: int,
    clock: LocalClock,
) -> dict[str, Any]:
    """Return the held-out accuracy of each purchase model, and charts of the selected one."""
    figures: dict[str, Any] = {
        "cutoff": selection.cutoff,
        "days": selection.held_out_days,
        "held_out": {
            name: {
                "log_likelihood": result.log_likelihood,
                "mae": result.errors.mae,
                "bias": result.errors.bias,
                "correlation": result.errors.correlation,
                "total_ratio": result.errors.total_ratio,
                **measure_order_ratio(result.expected, selection.actual),
                "coverage": result.coverage,
            }
            for name, result in selection.results.items()
        },
        "reasons": selection.reasons,
    }
    if selection.name is None or fit.model is None:
        return figures
    best = selection.results[selection.name]
    comparisons = {
        "by_frequency": compare_by_frequency(
            x=selection.calibration_histories.x, actual=selection.actual, expected=best.expected
        ),
        "repeats": compare_repeats(model=fit.model, groups=groups),
    }
    if best.fit.model is not None:
        comparisons["weeks"] = compare_weeks(
            model=best.fit.model,
            unit_days=best.fit.unit_days,
            customer=customer,
            at=at,
            cutoff=selection.cutoff,
            as_of=as_of,
            clock=clock,
        )
    return figures | {
        name: {
            "at": comparison.position.tolist(),
            "actual": comparison.actual.tolist(),
            "expected": comparison.expected.tolist(),
            "customers": comparison.customers.tolist(),
        }
        for name, comparison in comparisons.items()
    }


def measure_order_ratio(expected: Floats, actual: Ints) -> dict[str, float | None]:
    """Return the 95% interval of actual ÷ expected orders as low and high."""
    ratio = backtest_counts(expected=expected, observed=actual.astype(np.float64)).ratio
    return {"low": ratio.low, "high": ratio.high}


def summarize_coverage(learned: LearnedIntervals) -> list[dict[str, Any]]:
    """Return the held-out coverage of the intervals by quantity and horizon."""
    return [asdict(coverage) for coverage in learned.held]


def summarize_spend_model(spend: SpendFit, *, n_excluded: int) -> dict[str, Any]:
    """Return the figures of the spend model.

    n_excluded: customers left out because they order in several currencies.
    """
    return {
        "buyers": spend.buyers,
        "log_likelihood": spend.log_likelihood,
        "correlation": spend.correlation,
        "rank_correlation": spend.rank_correlation,
        "warnings": list(spend.warnings),
        "several_currencies": n_excluded,
        "margin": settings.VALUE_MARGIN,
        "monthly_discount": settings.VALUE_MONTHLY_DISCOUNT,
    }
