"""What everybody will order and be worth in the coming twelve months, by the buying process that foretells this shop best."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from django.conf import settings
from django.db import connection
from psycopg import sql

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.clv.backtest import look_back
from customers.lifecycle.facts.histories import microseconds, purchases_of
from customers.lifecycle.models import VALUE_COLUMNS, LifecycleRun, ScoreModel
from customers.lifecycle.refresh.score_columns import Scores
from customers.lifecycle.refresh.step_timer import Seconds
from customers.lifecycle.scoring.clv import (
    Choice,
    Fit,
    GammaGamma,
    Groups,
    Model,
    SpendFit,
    choose_process,
    compare_by_frequency,
    compare_repeats,
    compare_weeks,
    fit_process,
    fit_spend,
    group_histories,
    save_fit,
    save_spend,
    summarise_purchases,
    value_customers,
)
from customers.lifecycle.scoring.clv import Histories as Purchases
from customers.lifecycle.scoring.stages.derivation import Histories

FALLBACK = "mbg_nbd"  # where nothing can be held out: it knows that somebody of one order may be gone

# whose orders are not all in the shop's main currency: their amounts can't be added up
OTHER_CURRENCIES = sql.SQL("""
    SELECT DISTINCT customer_id FROM orders_order
    WHERE customer_id IS NOT NULL AND status <> 'cancelled' AND placed_at < {as_of}{some} AND currency <> (
        SELECT currency FROM orders_order
        WHERE customer_id IS NOT NULL AND status <> 'cancelled' AND placed_at < {as_of}
        GROUP BY currency ORDER BY count(*) DESC, currency LIMIT 1
    )
""")


def value_everybody(*, histories: Histories, as_of: datetime, run: LifecycleRun, seconds: Seconds) -> Scores:
    """Chooses the process by what was held out, fits it to everything, and values everybody as of the moment.

    seconds: is told how long choosing, fitting, valuing and the models' figures took.
    """
    customer, at, value = purchases_of(histories)
    moment = microseconds(as_of)
    choice = choose_process(customer=customer, at=at, value=value, as_of=moment)
    seconds.end("choose")
    purchases = summarise_purchases(customer=customer, at=at, value=value, as_of=moment)
    groups = group_histories(histories=purchases)
    fit = fit_process(name=choice.name or FALLBACK, groups=groups)
    one_currency = ~np.isin(purchases.customer, several_currencies(as_of))
    spend = fit_spend(x=purchases.x[one_currency], mean_value=purchases.mean_value[one_currency])
    seconds.end("fit")
    scores = valued(model=fit.model, spend=spend.model, purchases=purchases, groups=groups, one_currency=one_currency)
    seconds.end("value")
    cards = [
        ScoreModel(
            run=run,
            kind=ScoreModel.Kind.BUYING,
            algorithm=fit.model.name if fit.model is not None else "",
            parameters=save_fit(fit),
            figures=buying_figures(choice, fit, groups, customer=customer, at=at, as_of=moment)
            | {"looking_back": look_back(customer=customer, at=at, value=value, as_of=as_of)},
            reason=fit.reason or "",
        ),
        ScoreModel(
            run=run,
            kind=ScoreModel.Kind.SPEND,
            algorithm=spend.model.name if spend.model is not None else "",
            parameters=save_spend(spend),
            figures=spend_figures(spend, several=int((~one_currency).sum())),
            reason=spend.reason or "",
        ),
    ]
    seconds.end("figures")
    return Scores(purchases.customer, scores, cards=cards)


def valued(
    *,
    model: Model | None,
    spend: GammaGamma | None,
    purchases: Purchases,
    groups: Groups,
    one_currency: npt.NDArray[np.bool_],
) -> dict[str, Floats | Ints]:
    """Columns of the profiles by name, NaN where one cannot be had; money only of those with orders in one currency."""
    scores: dict[str, Floats | Ints] = {name: np.full(len(purchases), np.nan) for name in VALUE_COLUMNS}
    if model is None or not len(purchases):
        return scores
    found = value_customers(
        model=model,
        spend=spend,
        histories=purchases,
        groups=groups,
        margin=settings.VALUE_MARGIN,
        monthly_discount=settings.VALUE_MONTHLY_DISCOUNT,
    )
    money = {
        "expected_order_value": found.mean_spend,
        "value": found.value,
        "spend_low": found.spend_low,
        "spend_high": found.spend_high,
        "interval_probability": found.spend_probability,
    }
    return {
        **scores,
        "p_alive": np.clip(found.alive, 0.0, 1.0),
        "expected_orders": found.purchases,
        "expected_orders_low": found.purchases_low.astype(np.float64),
        "expected_orders_high": found.purchases_high.astype(np.float64),
        **{name: np.where(one_currency, told, np.nan) for name, told in money.items() if told is not None},
    }


def several_currencies(as_of: datetime, customer_ids: Sequence[int] | None = None) -> Ints:
    """Ids of customers, or of those of them named, with orders in another currency than the shop's most frequent one."""
    some: sql.Composable = sql.SQL("")
    if customer_ids is not None:
        some = sql.SQL(" AND customer_id = ANY({}::bigint[])").format(sql.Literal(list(customer_ids)))
    with connection.cursor() as cursor:
        cursor.execute(OTHER_CURRENCIES.format(as_of=sql.Literal(as_of), some=some))
        return np.array([customer for (customer,) in cursor.fetchall()], np.int64)


def buying_figures(choice: Choice, fit: Fit, groups: Groups, *, customer: Ints, at: Ints, as_of: int) -> dict[str, Any]:
    """How each process did on what was held out, and the figures of the one that serves, to draw."""
    figures: dict[str, Any] = {
        "cut": choice.cut,
        "days": choice.days,
        "held_out": {
            name: {
                "log_likelihood": result.log_likelihood,
                "mae": result.errors.mae,
                "bias": result.errors.bias,
                "correlation": result.errors.correlation,
                "total_ratio": result.errors.total_ratio,
                "held": result.held,
            }
            for name, result in choice.results.items()
        },
        "reasons": choice.reasons,
    }
    if choice.name is None or fit.model is None:
        return figures
    best = choice.results[choice.name]
    drawn = {
        "by_frequency": compare_by_frequency(x=choice.before.x, happened=choice.happened, expected=best.expected),
        "repeats": compare_repeats(model=fit.model, groups=groups),
    }
    if best.fit.model is not None:
        drawn["weeks"] = compare_weeks(
            model=best.fit.model, unit_days=best.fit.unit_days, customer=customer, at=at, cut=choice.cut, as_of=as_of
        )
    return figures | {
        name: {
            "at": one.at.tolist(),
            "actual": one.actual.tolist(),
            "expected": one.expected.tolist(),
            "customers": one.customers.tolist(),
        }
        for name, one in drawn.items()
    }


def spend_figures(spend: SpendFit, *, several: int) -> dict[str, Any]:
    """several: customers who are left out because of their currencies."""
    return {
        "buyers": spend.buyers,
        "log_likelihood": spend.log_likelihood,
        "correlation": spend.correlation,
        "rank_correlation": spend.rank_correlation,
        "warnings": list(spend.warnings),
        "several_currencies": several,
        "margin": settings.VALUE_MARGIN,
        "monthly_discount": settings.VALUE_MONTHLY_DISCOUNT,
    }
