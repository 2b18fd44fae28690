"""What happens in the storefront: visits before orders, visits without one, on the devices of a customer, and those of bots."""

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any

import numpy as np

from config.foundation.array_types import Flags, Floats, Ints
from config.simulation.catalog import ShopCatalog
from config.simulation.customers import SimulatedCustomers
from config.simulation.plan import ShopPlan
from config.simulation.purchases import DAY_MS, Purchases, draw_days

BROWSING_RATE = 2.5  # visits without an order for each expected order
SEARCH_SHARE = 0.35
SIGNED_IN_SHARE = 0.6  # of the visits without an order
CART_SHARE = 0.15  # of the visits without an order that put a product into the cart
FIRST_DEVICE_SHARE = 0.65
BOT_RATE = 1 / 400  # bots for each customer
BOT_VIEWS = 150
STEP_MS = (4_000, 70_000)


class StorefrontEvent(IntEnum):
    """Kinds of events, in the order in which a visit has them."""

    PAGE = 0
    LIST = 1
    SEARCH = 2
    VIEW = 3
    ADD = 4
    CHECKOUT = 5
    CONFIRMATION = 6


@dataclass(frozen=True, eq=False)
class BlockEvents:
    """Events by time. at: milliseconds from the start of the history.

    kind: a StorefrontEvent. product, order: −1 where there is none. customer: from 0 in the block; a bot has a number from n on.
    visit, device: numbers. is_signed_in: names the customer.
    """

    at: Ints
    kind: Ints
    customer: Ints
    visit: Ints
    device: Ints
    product: Ints
    quantity: Ints
    order: Ints
    is_signed_in: Flags
    bots: int

    def __len__(self) -> int:
        return len(self.at)


@dataclass(frozen=True, eq=False)
class Visits:
    """customer, start in milliseconds, order (−1 without one), device, is_signed_in."""

    customer: Ints
    start: Ints
    order: Ints
    device: Ints
    is_signed_in: Flags


def draw_events(
    plan: ShopPlan, catalog: ShopCatalog, customers: SimulatedCustomers, purchases: Purchases, block: int
) -> BlockEvents:
    generator = plan.make_generator("visits", block)
    visits = draw_visits(plan, customers, purchases, generator)
    n = len(visits.customer)
    cluster = draw_clusters(customers.taste[visits.customer], generator)
    parts = [make_rows(np.arange(n), StorefrontEvent.PAGE)]
    is_search = generator.random(n) < SEARCH_SHARE
    shown = catalog.draw_products(cluster, generator)  # what is searched, or whose list is opened
    for kind, rows in ((StorefrontEvent.SEARCH, is_search), (StorefrontEvent.LIST, ~is_search)):
        parts.append(make_rows(np.flatnonzero(rows), kind, shown[rows]))
    views = np.repeat(np.arange(n), 1 + generator.poisson(1.5, n))
    viewed = catalog.draw_products(cluster[views], generator)
    parts.append(make_rows(views, StorefrontEvent.VIEW, viewed))
    visit_of_order = np.full(len(purchases), -1)
    visit_of_order[visits.order[visits.order >= 0]] = np.flatnonzero(visits.order >= 0)
    line_visit = visit_of_order[purchases.line_order]
    lines = line_visit >= 0
    parts += [
        make_rows(line_visit[lines], kind, purchases.product[lines], purchases.quantity[lines])
        for kind in (StorefrontEvent.VIEW, StorefrontEvent.ADD)
    ]
    first_view = np.flatnonzero(np.diff(views, prepend=-1))
    leaves_cart = (visits.order < 0) & (generator.random(n) < CART_SHARE)
    parts.append(make_rows(np.flatnonzero(leaves_cart), StorefrontEvent.ADD, viewed[first_view][leaves_cart]))
    ordering = np.flatnonzero(visits.order >= 0)
    parts += [make_rows(ordering, StorefrontEvent.CHECKOUT), make_rows(ordering, StorefrontEvent.CONFIRMATION)]
    visit, step, product, quantity = (np.concatenate(column) for column in zip(*parts, strict=True))
    by_step = np.lexsort((generator.random(len(visit)), step, visit))
    visit, step, product, quantity = visit[by_step], step[by_step], product[by_step], quantity[by_step]
    at = visits.start[visit] + sum_within(generator.integers(*STEP_MS, len(visit)), visit, n)
    events = [
        at,
        step,
        visits.customer[visit],
        visit,
        visits.device[visit],
        product,
        quantity,
        visits.order[visit],
        visits.is_signed_in[visit],
    ]
    bots = draw_bots(plan, catalog, len(customers), n, generator)
    return sort_events(plan, [np.concatenate(pair) for pair in zip(events, bots, strict=True)], len(np.unique(bots[2])))


def sort_events(plan: ShopPlan, columns: list[Any], bots: int) -> BlockEvents:
    """Return the events of the history by time."""
    at = columns[0]
    is_within = (at < plan.days * DAY_MS) & (at >= 0)
    rows = np.flatnonzero(is_within)[np.argsort(at[is_within], kind="stable")]
    names = [field.name for field in fields(BlockEvents) if field.name != "bots"]
    return BlockEvents(**{name: column[rows] for name, column in zip(names, columns, strict=True)}, bots=bots)


def make_rows(
    visit: Ints, kind: StorefrontEvent, product: Ints | None = None, quantity: Ints | None = None
) -> tuple[Ints, ...]:
    none = np.full(len(visit), -1)
    return (
        visit,
        np.full(len(visit), int(kind)),
        none if product is None else product,
        np.ones(len(visit), np.int64) if quantity is None else quantity,
    )


def sum_within(steps: Ints, visit: Ints, visits: int) -> Ints:
    """Return the running sum of the steps within each visit; visits are sorted."""
    running = np.cumsum(steps)
    first = np.searchsorted(visit, np.arange(visits))
    return running - running[first][visit] if len(steps) else steps


def draw_visits(
    plan: ShopPlan, customers: SimulatedCustomers, purchases: Purchases, generator: np.random.Generator
) -> Visits:
    orders = np.flatnonzero(purchases.is_placed & (purchases.day < plan.days))
    history = customers.intensity[:, : plan.days]
    customer, day = draw_days(history, BROWSING_RATE * history.sum(axis=1), generator)
    start = day * DAY_MS + (3_600_000 * (7 + 7.5 * (generator.random(len(day)) + generator.random(len(day))))).astype(
        np.int64
    )
    owner = np.concatenate([customer, purchases.customer[orders]])
    draw = generator.random(len(owner))
    device = np.minimum((draw > FIRST_DEVICE_SHARE).astype(np.int64) + (draw > 0.9), customers.devices[owner] - 1)
    return Visits(
        customer=owner,
        start=np.concatenate([start, purchases.at[orders] - generator.integers(300_000, 1_500_000, len(orders))]),
        order=np.concatenate([np.full(len(customer), -1), orders]),
        device=device,
        is_signed_in=np.concatenate([generator.random(len(customer)) < SIGNED_IN_SHARE, np.ones(len(orders), bool)]),
    )


def draw_clusters(taste: Floats, generator: np.random.Generator) -> Ints:
    running = np.cumsum(taste, axis=1)
    draws = generator.random(len(taste)) * running[:, -1]
    return np.minimum((running <= draws[:, None]).sum(axis=1), taste.shape[1] - 1)


def draw_bots(
    plan: ShopPlan, catalog: ShopCatalog, customers: int, visits: int, generator: np.random.Generator
) -> list[Ints | Flags]:
    """Return the events of bots: each views products once a second, and never orders."""
    bots = int(generator.poisson(customers * BOT_RATE))
    bot = np.repeat(np.arange(bots), BOT_VIEWS)
    number = np.tile(np.arange(BOT_VIEWS), bots)
    start = generator.integers(0, plan.days * DAY_MS - BOT_VIEWS * 1_000, bots)
    nothing, zero = np.full(len(bot), -1), np.zeros(len(bot), np.int64)
    return [
        start[bot] + number * 1_000,
        np.full(len(bot), int(StorefrontEvent.VIEW)),
        customers + bot,
        visits + bot,
        zero,
        generator.integers(len(catalog), size=len(bot)),
        zero + 1,
        nothing,
        np.zeros(len(bot), bool),
    ]
