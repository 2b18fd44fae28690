"""A small shop that sells kettles, tea things, novels and garden tools, with a model trained on 20 weeks of orders."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from catalog.models import Product
from customers.identity.models import Customer, Identifier
from customers.orders.models import Order, OrderLine
from customers.warehouse.export import export_warehouse
from tests.child_processes import get_test_database_url
from tests.makers import make_product, make_source
from tests.recommendations.trainings import get_first_moment, restore_or_train, train_reproducibly, use_fixed_ids

WEEKS = 20
CUSTOMERS = 45
TITLES_BY_CATEGORY = {
    "Kitchen > Kettles": [
        *("Blue kettle", "Steel kettle", "Glass kettle", "Red kettle"),
        *("Travel kettle", "Copper kettle", "Whistling kettle", "Enamel kettle"),
    ],
    "Kitchen > Tea things": [
        *("Teapot", "Tea strainer", "Descaler", "Mug with a lid", "Tea caddy", "Infuser", "Milk jug"),
    ],
    "Books > Novels": [
        "The long winter",
        "River town",
        "Night train",
        "Paper garden",
        "The last harbour",
        "Two summers",
    ],
    "Garden > Tools": ["Spade", "Rake", "Watering can", "Pruning shears", "Hand trowel", "Wheelbarrow"],
}
BRANDS = {"Kitchen": "Northwind", "Books": "Harbour Press", "Garden": "Greenfield"}


@contextmanager
def run_kettle_shop(settings: Any, folder: Path, *, with_new_products: bool = False) -> Iterator[SimpleNamespace]:
    """Make the shop in demo mode with its storefront keys and a model that is ready to serve; yield its products by title.

    with_new_products: all products are published now, so that some positions explore.
    """
    from config.storefront.keys import ensure_storefront_keys
    from recommendations.serving.search.searcher import searcher
    from recommendations.serving.state.loader import loader

    settings.DEMO, settings.VAR_DIR, settings.TRAINING_SECONDS = True, folder, 10
    settings.RECOMMEND_DEADLINE_MS = 600_000.0  # a busy machine would answer with popular products, or twice
    settings.WAREHOUSE_URL, settings.MODELS_DIR = str(folder / "warehouse"), folder / "models"
    loader.state = None
    products, now = make_kettle_shop(), datetime.now(UTC)
    if with_new_products:
        Product.objects.update(published_at=now)
    ensure_storefront_keys(now=now)
    if searcher.snapshot is None:
        searcher.refresh(now=now)  # compiles for longer than the first page waits
    load_recommendation_kernels(with_new_products=with_new_products)
    yield SimpleNamespace(products=products, database=get_test_database_url())
    loader.state = None


@cache
def load_recommendation_kernels(*, with_new_products: bool) -> None:
    """Answer the first requests of this process, as a web server does before it takes any: the page gives up before kernels are compiled.

    with_new_products: whether products are new now; only then does a request explore.
    """
    from recommendations.serving.state.loader import loader
    from recommendations.serving.warm_up import warm_up_requests

    now = datetime.now(UTC)
    warm_up_requests(loader.get_state(now=now), now)


def make_kettle_shop(
    *, product_ids: Mapping[str, str] | None = None, user_prefix: str = "household"
) -> dict[str, Product]:
    """Make the shop and return its products by title. Kettles are bought with tea things, never with novels or tools.

    Novels sell best. `product_ids` overrides the product ids derived from the titles. The customers are household-0…household-44;
    those whose number is divisible by three buy kettles. All tests of the run that use the same customers share a training.
    """
    now, rng = find_last_evening(get_first_moment(user_prefix)), random.Random(11)
    with use_fixed_ids():
        products = dict(make_products(rng, product_ids or {}))
        customers = Customer.objects.bulk_create([Customer() for _number in range(CUSTOMERS)])
        Identifier.objects.bulk_create(
            Identifier(kind="user_id", value=f"{user_prefix}-{number}", customer=customer)
            for number, customer in enumerate(customers)
        )
        baskets = list(generate_orders(products, customers, now=now, rng=rng))
        Order.objects.bulk_create(order for order, _bought in baskets)
        OrderLine.objects.bulk_create(line for order, bought in baskets for line in generate_lines(order, bought))
        export_warehouse(started_at=now)
        restore_or_train(user_prefix, lambda: train_reproducibly(as_of=now))
    return products


def find_last_evening(moment: datetime) -> datetime:
    """Return the last 18:00: orders counted back from any other time of day fall on other days, and train another model."""
    evening = moment.replace(hour=18, minute=0, second=0, microsecond=0)
    return evening if evening <= moment else evening - timedelta(days=1)


def make_products(rng: random.Random, product_ids: Mapping[str, str]) -> Iterator[tuple[str, Product]]:
    for category, titles in TITLES_BY_CATEGORY.items():
        for title in titles:
            yield (
                title,
                make_product(
                    product_ids.get(title) or title.lower().replace(" ", "-"),
                    title=title,
                    category=category,
                    brand=BRANDS[category.split(" > ")[0]],
                    price=Decimal(rng.randrange(499, 8999)) / 100,
                    currency="USD",
                ),
            )


def generate_orders(
    products: dict[str, Product], customers: Sequence[Customer], *, now: datetime, rng: random.Random
) -> Iterator[tuple[Order, list[Product]]]:
    source = make_source("made-kettles")
    kettles, tea, novels, tools = TITLES_BY_CATEGORY.values()
    for number, customer in enumerate(customers):
        for week in range(WEEKS):
            if number % 3 == 0:
                if week % 2:
                    continue
                titles = [*rng.sample(kettles, 1), *rng.sample(tea, 2)]
            else:
                titles = rng.sample(novels, 2)
                if number % 3 == 1 and week % 2 == 0:
                    titles += rng.sample(tools, 2)
            bought = [products[title] for title in titles]
            total = sum((product.price or Decimal(0) for product in bought), Decimal(0))
            order = Order(
                source=source,
                order_id=f"{number}/{week}",
                customer=customer,
                placed_at=now - timedelta(weeks=WEEKS - week, hours=number),
                currency="USD",
                subtotal=total,
                total=total,
            )
            yield order, bought


def generate_lines(order: Order, bought: Sequence[Product]) -> Iterator[OrderLine]:
    for number, product in enumerate(bought, start=1):
        yield OrderLine(
            order=order,
            line_number=number,
            product=product,
            quantity=1,
            unit_price=product.price or 0,
            total=product.price or 0,
        )
