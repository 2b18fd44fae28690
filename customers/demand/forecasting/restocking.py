"""When to order how much: reorder point, order quantity, and the money at risk."""

from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Flags, Floats, Ints


@dataclass(frozen=True, eq=False)
class StockPosition:
    """What n products have and cost; arrays of shape (n,).

    stock: units on hand. incoming: units ordered earlier that have not arrived. lead_days: from an order to its delivery. cost: of a unit.
    margin: price − cost of a unit. returned: units that come back and can be sold again, per unit sold. pack_size, minimum: an order is a
    multiple of pack_size and at least minimum; both are 1 if any quantity will do.
    """

    stock: Floats
    incoming: Floats
    lead_days: Ints
    cost: Floats
    margin: Floats
    returned: Floats
    pack_size: Floats
    minimum: Floats


@dataclass(frozen=True, eq=False)
class RestockPlan:
    """What to order; arrays of shape (n,).

    reorder_point: units at which to order, incoming ones included. order_quantity: units, 0 if there is enough. days_left: until the
    reorder point is reached, 0 if it is. lost_units: expected demand without stock before the next delivery. money_at_risk: its margin.
    """

    reorder_point: Floats
    order_quantity: Floats
    days_left: Floats
    lead_demand: Floats
    safety_stock: Floats
    lost_units: Floats
    money_at_risk: Floats


def plan_restock(
    position: StockPosition,
    daily: Floats,
    lead_quantile: Floats,
    lead_quantiles: Floats,
    *,
    review_days: int,
    order_cost: float,
    holding_rate: float,
) -> RestockPlan:
    """Return when to order and how much.

    Args:
        daily: (n, h), expected demand per day. lead_quantile: (n,), quantile of the demand until a delivery (lead time + review period) at
            the service level. lead_quantiles: (n, q), evenly spaced quantiles of the demand over the lead time. review_days: days between
            two checks of the list. order_cost: of one order. holding_rate: of a unit per year, as a share of its cost.
    Reorder point s = quantile of the demand over lead time and review period (periodic review, Silver, Pyke & Thomas 2017, chapter 7)
    − units expected to come back then and to be sold again (net demand, Fleischmann, Kuik & Dekker 2002, Eur. J. Oper. Res. 138); safety
    stock = s − expected net demand. Order when stock and incoming units ≤ s: quantity = s − both + Q, where Q is the economic order
    quantity √(2 · D · K ÷ (r · c)) (Harris 1913), D net demand per year, at least the net demand of one review period; it is rounded up to
    whole packs. Lost units = E[(net demand over the lead time − both)⁺], from the quantiles: an order placed today cannot prevent them.
    """
    cumulated = np.concatenate([np.zeros((len(daily), 1)), np.cumsum(daily, axis=1)], axis=1)
    kept = 1 - position.returned
    expected = sum_until(cumulated, position.lead_days + review_days)
    lead_demand = sum_until(cumulated, position.lead_days)
    available = position.stock + position.incoming
    reorder_point = np.ceil(np.maximum(lead_quantile, expected) - position.returned * expected)
    order_now = (available <= reorder_point) & (reorder_point > 0)
    per_day = daily.mean(axis=1) * kept
    economic = compute_order_quantity(365 * per_day, order_cost, holding_rate * position.cost)
    missing = reorder_point - available + np.maximum(economic, per_day * review_days)
    lost = compute_expected_excess(lead_quantiles, position.returned * lead_demand + available)
    return RestockPlan(
        reorder_point,
        np.where(order_now, round_up_to_packs(missing, position), 0),
        find_days_left(available - reorder_point, cumulated * kept[:, None], order_now),
        lead_demand,
        np.maximum(reorder_point - expected * kept, 0),
        lost,
        lost * np.maximum(position.margin, 0),
    )


def compute_expected_excess(quantiles: Floats, limit: Floats) -> Floats:
    """Return E[(X − limit)⁺], (n,).

    Args:
        quantiles: (n, q), of X at the levels 1 ÷ (q + 1) … q ÷ (q + 1). limit: (n,).
    It is ∫ (Q(u) − limit)⁺ du, where Q is linear between the levels and constant below the first one. Above the last level p, X has an
    exponential tail with the mean excess β = (Q(p) − Q(1 − 2 (1 − p))) ÷ ln 2: most of a shortage that is rare lies there.
    """
    cell = 1 / (quantiles.shape[1] + 1)
    excess = quantiles - limit[:, None]
    low, high = excess[:, :-1], excess[:, 1:]
    rise = np.where(high > low, high - low, 1)
    # the part of a triangle above 0 if the line crosses it
    crossing = np.where((low < 0) & (high > 0), high**2 / (2 * rise), np.maximum(low + high, 0) / 2)
    top, mean_excess = excess[:, -1], (quantiles[:, -1] - quantiles[:, -2]) / np.log(2)
    beyond = mean_excess * np.exp(np.minimum(top, 0) / np.maximum(mean_excess, 1e-9)) + np.maximum(top, 0)
    return np.asarray(cell * (np.maximum(excess[:, 0], 0) + crossing.sum(axis=1) + beyond))


def round_up_to_packs(quantity: Floats, position: StockPosition) -> Floats:
    """Return the smallest order of whole packs that is at least the quantity and the minimum, (n,)."""
    packs = np.ceil(np.maximum(quantity, position.minimum) / position.pack_size - 1e-9)
    return packs * position.pack_size


def estimate_return_rates(sold: Floats, returned: Floats, prior_units: float = 20.0) -> Floats:
    """Return the units that come back per unit sold, (n,), at most 1.

    Args:
        sold, returned: (n,), units. prior_units: weight of the rate of all products, in sold units.
    rate = (returned + prior · R) ÷ (sold + prior), R = Σ returned ÷ Σ sold: the posterior mean of a beta–binomial model with that prior
    (Gelman et al. 2013, section 2.4), so that one return of two sales is not a rate of 50%.
    """
    total = min(float(returned.sum()) / max(float(sold.sum()), 1e-9), 1.0)
    return np.asarray(np.minimum((returned + prior_units * total) / (sold + prior_units), 1.0))


def sum_until(cumulated: Floats, days: Ints) -> Floats:
    """Return the expected demand over a number of days, (n,); beyond the horizon it goes on at its mean.

    Args:
        cumulated: (n, h + 1), expected demand over 0 … h days.
    """
    horizon = cumulated.shape[1] - 1
    within = np.minimum(days, horizon)
    return cumulated[np.arange(len(cumulated)), within] * np.where(days > horizon, days / np.maximum(within, 1), 1.0)


def compute_order_quantity(yearly_demand: Floats, order_cost: float, holding_cost: Floats) -> Floats:
    """Return the economic order quantity √(2 D K ÷ h), (n,), at most a year's demand (Harris 1913).

    Args:
        yearly_demand: D, units. order_cost: K, of one order. holding_cost: h, (n,), of one unit per year; 0 if unknown.
    Without a holding cost it is the demand of four weeks.
    """
    known = holding_cost > 0
    quantity = np.sqrt(2 * yearly_demand * order_cost / np.where(known, holding_cost, 1))
    return np.minimum(np.where(known, quantity, yearly_demand * 28 / 365), yearly_demand)


def find_days_left(surplus: Floats, cumulated: Floats, order_now: Flags) -> Floats:
    """Return after how many days the expected demand has used up the surplus above the reorder point; inf beyond the horizon."""
    reached = cumulated >= surplus[:, None]
    days = np.where(reached.any(axis=1), reached.argmax(axis=1), np.inf)
    return np.where(order_now, 0, days)
