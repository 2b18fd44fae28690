"""The truth of a block, and what someone who knows every parameter would predict: no estimate can be better."""

from typing import Any

import numpy as np
import pyarrow as pa

from config.campaign_simulation.population import ResponseKind
from config.foundation.array_types import Floats, Ints
from config.simulation.campaigns import compute_expected_effects
from config.simulation.catalog import ShopCatalog, format_category, format_title
from config.simulation.customers import LANGUAGES, SimulatedCustomers
from config.simulation.plan import HORIZONS, PURCHASE_DAYS, WINDOW, ShopPlan
from config.simulation.purchases import FURTHER_UNITS, Purchases
from config.simulation.rhythms import compute_log_survival

KINDS = pa.array([kind.name.lower() for kind in ResponseKind])


def format_customers(numbers: Ints) -> pa.Array:
    return format_ids("c", numbers, 9)


def format_products(numbers: Ints) -> pa.Array:
    return format_ids("p", numbers, 7)


def format_ids(letter: str, numbers: Ints, digits: int) -> pa.Array:
    if not len(numbers):  # zfill cannot pad an empty array
        return pa.array([], pa.string())
    return pa.array(np.char.add(letter, np.char.zfill(numbers.astype(str), digits)))


def compute_p_alive(plan: ShopPlan, customers: SimulatedCustomers, purchases: Purchases) -> Floats:
    """Return P(death after the end | orders, parameters), shape (n,).

    With L the day of the last order, Λ the expected spontaneous orders since then, S_j the survival of the gap of rhythm j and μ the hazard:
    death on day d > L has the weight (e^μ − 1) e^{−μ (d−L)} e^{−Λ(d)} Π S_j(d), life the weight e^{−μ (D−L)} e^{−Λ(D)} Π S_j(D).
    """
    end = plan.days
    placed = purchases.is_placed & (purchases.day < end)
    last = customers.birth.copy()
    np.maximum.at(last, purchases.customer[placed], purchases.day[placed])
    days = np.arange(end + 1)
    silent = np.concatenate([np.zeros((len(customers), 1)), np.cumsum(customers.living_rate[:, :end], axis=1)], axis=1)
    logarithm = -silent - customers.hazard[:, None] * days
    latest = purchases.rhythms.find_latest(customers, end)
    waited = np.maximum(days - latest[:, None], 0) / customers.rhythm_gap[:, None]
    np.add.at(logarithm, customers.rhythm_customer, compute_log_survival(waited))
    alive = logarithm[:, -1].copy()
    logarithm[days <= last[:, None]] = -np.inf  # still alive on the day of the last order
    largest = np.maximum(logarithm.max(axis=1), alive)
    dead = np.expm1(customers.hazard) * np.exp(logarithm - largest[:, None]).sum(axis=1)
    weight = np.exp(alive - largest)
    return weight / (weight + dead)


def compute_expected_future(
    plan: ShopPlan, catalog: ShopCatalog, customers: SimulatedCustomers, days: int
) -> tuple[Floats, Floats]:
    """Return the expected orders and revenue of a living customer in the days after the end, shape (n,) each.

    Rhythms count with their mean rate, not with the time since the last purchase.
    """
    future = slice(plan.days, plan.days + days)
    survival = np.exp(-customers.hazard[:, None] * np.arange(days))
    gap_rate = np.bincount(customers.rhythm_customer, 1 / customers.rhythm_gap, minlength=len(customers))
    spontaneous = -np.expm1(-customers.living_rate[:, future])
    orders = 1 - (1 - spontaneous) * np.maximum(1 - gap_rate, 0)[:, None]
    mean_price = np.bincount(catalog.cluster, catalog.share * catalog.price)
    factor, discount = catalog.factor[:, future], catalog.discount[:, future]
    line_value = customers.taste @ (factor * (1 - discount) * mean_price[:, None]) / (customers.taste @ factor)
    lines = (
        spontaneous * (customers.basket + np.exp(-customers.basket))[:, None] + (gap_rate * customers.basket)[:, None]
    )
    rhythm_value = np.bincount(
        customers.rhythm_customer,
        catalog.price[customers.rhythm_product] / customers.rhythm_gap,
        minlength=len(customers),
    )
    revenue = (1 + FURTHER_UNITS) * (lines * line_value + rhythm_value[:, None])
    return (survival * orders).sum(axis=1), (survival * revenue).sum(axis=1)


def compute_purchase_probability(
    plan: ShopPlan, customers: SimulatedCustomers, purchases: Purchases, days: int
) -> Floats:
    """Return the probability that a customer who is alive at the end orders within the days after it, shape (n,).

    One minus the probability of no order before death, summed over the days on which the customer may die, or survive all of them.
    """
    end = plan.days
    offsets = np.arange(days + 1)
    zero = np.zeros((len(customers), 1))
    silent = np.concatenate([zero, np.cumsum(customers.living_rate[:, end : end + days], axis=1)], axis=1)
    waited = (end - purchases.rhythms.find_latest(customers, end)) / customers.rhythm_gap
    later = compute_log_survival(waited[:, None] + offsets / customers.rhythm_gap[:, None])
    np.add.at(silent, customers.rhythm_customer, compute_log_survival(waited)[:, None] - later)
    alive = np.exp(-customers.hazard[:, None] * offsets)
    dies_after = np.append(
        -np.diff(alive, axis=1), alive[:, -1:], axis=1
    )  # the customer can order for 0, 1, … days, or for all of them
    return 1 - (dies_after * np.exp(-silent)).sum(axis=1)


def build_customer_truth(
    plan: ShopPlan, catalog: ShopCatalog, customers: SimulatedCustomers, purchases: Purchases
) -> pa.Table:
    n, end = len(customers), plan.days
    p_alive = compute_p_alive(plan, customers, purchases)
    columns: dict[str, Any] = {
        "customer_id": format_customers(customers.first + np.arange(n)),
        "birth_day": customers.birth,
        "death_day": customers.death,
        "is_alive": customers.is_alive_on(end),
        "rate": customers.rate,
        "rate_at_end": customers.living_rate[:, end - 28 : end].mean(axis=1),
        "hazard": customers.hazard,
        "p_alive": p_alive,
        "kind": KINDS.take(pa.array(customers.kind)),
        "response": customers.response,
        "language": pa.array([LANGUAGES[row] for row in customers.language]),
        "devices": customers.devices,
        "taste": pa.FixedSizeListArray.from_arrays(pa.array(customers.taste.ravel(), pa.float32()), catalog.clusters),
    }
    for name, first, days in (("", 0, end), *((f"future_{days}_", end, days) for days in HORIZONS)):
        chosen = purchases.is_placed & (purchases.day >= first) & (purchases.day < first + days)
        owner = purchases.customer[chosen]
        columns[f"{name}orders"] = np.bincount(owner, minlength=n)
        columns[f"{name}revenue"] = np.round(np.bincount(owner, purchases.value[chosen], minlength=n), 2)
        if name:
            orders, revenue = compute_expected_future(plan, catalog, customers, days)
            columns[f"expected_{days}_orders"], columns[f"expected_{days}_revenue"] = (
                p_alive * orders,
                p_alive * revenue,
            )
    columns["message_effect"] = compute_expected_effects(customers, purchases.rhythms, np.array([end]))[:, 0]
    for days in PURCHASE_DAYS:
        columns[f"p_order_{days}"] = p_alive * compute_purchase_probability(plan, customers, purchases, days)
    return pa.table(columns)


def build_future_truth(plan: ShopPlan, customers: SimulatedCustomers, purchases: Purchases) -> pa.Table:
    """Return the orders after the end: customer, days since the end (the first day is 0), value."""
    chosen = np.flatnonzero(purchases.is_placed & (purchases.day >= plan.days))
    return pa.table(
        {
            "customer_id": format_customers(customers.first + purchases.customer[chosen]),
            "day": purchases.day[chosen] - plan.days,
            "value": purchases.value[chosen],
        }
    )


def build_campaign_truth(plan: ShopPlan, customers: SimulatedCustomers, purchases: Purchases) -> pa.Table:
    """Return one row per campaign and customer in its groups: both outcomes, and what happened."""
    outcomes = purchases.outcomes
    customer, campaign = np.nonzero(outcomes.is_eligible)
    revenue = np.zeros((2, *outcomes.is_eligible.shape))
    for number, first in enumerate(plan.campaign_days):
        chosen = (purchases.day >= first) & (purchases.day < first + WINDOW)
        for arm in (0, 1):
            is_own = (purchases.campaign == number) if arm else False
            counts = chosen & ((purchases.campaign < 0) | is_own)
            revenue[arm, :, number] = np.bincount(
                purchases.customer[counts], purchases.value[counts], minlength=len(customers)
            )
        revenue[1, outcomes.is_lost[:, number], number] = 0
    return pa.table(
        {
            "campaign": campaign,
            "customer_id": format_customers(customers.first + customer),
            "is_treated": outcomes.is_treated[customer, campaign],
            "orders0": outcomes.orders0[customer, campaign],
            "orders1": outcomes.orders1[customer, campaign],
            "revenue0": np.round(revenue[0, customer, campaign], 2),
            "revenue1": np.round(revenue[1, customer, campaign], 2),
            "expected_effect": outcomes.expected[customer, campaign],
        }
    )


def build_demand_truth(
    plan: ShopPlan, catalog: ShopCatalog, customers: SimulatedCustomers, purchases: Purchases
) -> pa.Table:
    """Return the expected and the actual units of each cluster and day, of the customers of this block.

    expected: spontaneous units; × share of a product in its cluster, it is the demand of the product. expected_rhythm: of rhythms, at their
    mean rate. Births and deaths are as they happened; orders that campaigns cause are only in units.
    """
    shape = (catalog.clusters, plan.all_days)
    alive = (customers.living_rate > 0) & (np.arange(plan.all_days) < customers.death[:, None])
    gap_rate = np.bincount(customers.rhythm_customer, 1 / customers.rhythm_gap, minlength=len(customers))
    lines = -np.expm1(-customers.intensity) * (customers.basket + np.exp(-customers.basket))[:, None]
    lines += alive * (gap_rate * customers.basket)[:, None]
    rows = np.arange(len(customers))
    lines[rows, customers.birth] = customers.basket + np.where(gap_rate > 0, 0, np.exp(-customers.basket))
    expected = (customers.taste.T @ (lines / (customers.taste @ catalog.factor))) * catalog.factor
    rhythm = np.zeros(shape)
    rhythm_cluster = catalog.cluster[customers.rhythm_product]
    np.add.at(rhythm, rhythm_cluster, alive[customers.rhythm_customer] / customers.rhythm_gap[:, None])
    np.add.at(
        rhythm, (rhythm_cluster, customers.birth[customers.rhythm_customer]), 1
    )  # a first order has the products of all rhythms
    is_placed = purchases.is_placed[purchases.line_order]
    cell = catalog.cluster[purchases.product] * plan.all_days + purchases.day[purchases.line_order]
    units = np.bincount(cell[is_placed], purchases.quantity[is_placed], minlength=expected.size)
    return pa.table(
        {
            "cluster": np.repeat(np.arange(shape[0]), shape[1]),
            "day": np.tile(np.arange(shape[1]), shape[0]),
            "expected": (1 + FURTHER_UNITS) * expected.ravel(),
            "expected_rhythm": (1 + FURTHER_UNITS) * rhythm.ravel(),
            "units": units.astype(np.int64),
        }
    )


def build_rhythm_truth(customers: SimulatedCustomers) -> pa.Table:
    return pa.table(
        {
            "customer_id": format_customers(customers.first + customers.rhythm_customer),
            "product_id": format_products(customers.rhythm_product),
            "gap_days": customers.rhythm_gap,
        }
    )


def build_product_truth(catalog: ShopCatalog) -> pa.Table:
    numbers = np.arange(len(catalog))
    return pa.table(
        {
            "product_id": format_products(numbers),
            "title": [format_title(catalog, number) for number in numbers.tolist()],
            "category": [format_category(cluster) for cluster in catalog.cluster.tolist()],
            "cluster": catalog.cluster,
            "share": catalog.share,
            "price": catalog.price,
            "quality": catalog.quality,
        }
    )


def build_dirty_rows_truth(**counts: dict[str, int]) -> pa.Table:
    """Return how many rows of each kind a file has: the code of rejected ones, duplicates, late, skewed."""
    rows = [(file, kind, number) for file, kinds in counts.items() for kind, number in kinds.items()]
    names, kinds, numbers = zip(*rows, strict=True)
    return pa.table({"file": names, "kind": kinds, "rows": pa.array(numbers, pa.int64())})
