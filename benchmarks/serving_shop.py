"""The simulated shop of benchmarks.serving: products in PostgreSQL, recent activity of customers in Valkey, and a trained model.

Popularity is a power law of the rank. Every customer prefers a few categories, a visit stays mostly in one category, some products
follow each other, and products bought at the same moment form an order. The model is fitted, saved and promoted by the product's code.

    python -m benchmarks.serving_shop --folder FOLDER            creates the shop in the servers given by the environment
    python -m benchmarks.serving_shop --folder FOLDER --promote VERSION
"""

import argparse
import json
import os
import random
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import psycopg

from benchmarks.serving_words import ADJECTIVES, DEPARTMENTS, MATERIALS, SYLLABLES

SEED = 11
BRANDS = 240
CHINESE_SHARE = 0.15
INTERACTIONS_PER_CUSTOMER = 8.0  # mean
INTERACTIONS_PER_VISIT = 3.0
MAX_INTERACTIONS_PER_VISIT = 8
MAX_VISITS = 12
ORDER_SHARE = 0.3  # of the visits
OWN_CATEGORIES = 3
COMPLEMENT_SHARE = 0.35  # of the interactions: the product is a complement of the previous one
OTHER_CATEGORY_SHARE = 0.15  # of the interactions: the product is from another category than the visit's
EXPONENT = 0.8  # popularity ∝ rank^−EXPONENT, within a category and among categories
DAYS = 365
RECENT_OLD, RECENT_NEW = 2, 4  # recent interactions of a customer before and since the training
LISTS_PER_CALL = 400
SINCE_TRAINING = timedelta(hours=12)
REQUESTS_PER_TYPE = 10_000
RANKED_PRODUCTS = 200
CHINESE_READERS = 0.2
PRICE_BANDS = ((1, 60), (5, 200), (10, 1000))
WEIGHTS = {"popularity": 0.1, "item-knn": 0.3, "transitions": 0.35, "session-knn": 0.15, "co-purchase": 0.1}
UNWEIGHTED_COMPONENTS = ("content", "repeat", "repeat-rhythm", "trending")  # used only by other placements than for-you
REQUESTS_PER_MINUTE = 100_000_000

type Ints = npt.NDArray[np.int64]
type Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SimulatedCatalog:
    """Products by row, sorted by category and then by popularity.

    Product ids are in the order of the rows. published: days ago; starts: the first row of each category, and the number of rows.
    """

    titles: list[str]
    descriptions: list[str]
    brands: list[str]
    category: Ints
    paths: list[str]
    price: Floats
    colour: list[str]
    material: list[str]
    stock: Ints
    published: Floats
    starts: Ints

    def __len__(self) -> int:
        return len(self.titles)

    def list_product_ids(self) -> list[str]:
        return [format_product_id(row) for row in range(len(self))]


@dataclass(frozen=True, eq=False)
class SimulatedBehavior:
    """Interactions, sorted by customer and time. ago: seconds before the training, negative for interactions after it."""

    user: Ints
    item: Ints
    ago: Floats
    bought: npt.NDArray[np.bool_]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="folder for the requests and the record of the shop")
    parser.add_argument("--products", type=int, default=12_000)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--copies", type=int, default=0, help="number of copies of the model, for later promotions")
    parser.add_argument("--promote", help="only promote this model version")
    arguments = parser.parse_args()
    import django

    django.setup()
    if arguments.promote:
        print(json.dumps(promote_by_name(arguments.promote)))
    else:
        print(json.dumps(make_shop(arguments)))


def make_shop(arguments: argparse.Namespace) -> dict[str, Any]:
    from django.core.management import call_command

    now = datetime.now(UTC).replace(microsecond=0)
    as_of = now - SINCE_TRAINING
    steps: dict[str, float] = {}

    def run_timed[T](name: str, work: Callable[[], T]) -> T:
        log(f"{arguments.products:,} products: {name}")
        started = time.perf_counter()
        result = work()
        steps[f"{name}_s"] = round(time.perf_counter() - started, 1)
        return result

    run_timed("migrate", lambda: call_command("migrate", verbosity=0))
    draws = np.random.default_rng(SEED)
    catalog = simulate_catalog(arguments.products, draws)
    run_timed("store", lambda: store_products(catalog, now))
    behavior = run_timed(
        "behavior", lambda: simulate_behavior(catalog, arguments.customers, INTERACTIONS_PER_CUSTOMER, draws)
    )
    run_timed(
        "fit", lambda: fit_model(catalog, behavior, arguments.customers, as_of=as_of, now=now, copies=arguments.copies)
    )
    recent = run_timed(
        "recent", lambda: write_recent_activity(catalog, behavior, arguments.customers, as_of=as_of, draws=draws)
    )
    arguments.folder.mkdir(parents=True, exist_ok=True)
    run_timed("requests", lambda: write_requests(catalog, recent, arguments.customers, arguments.folder))
    rules = run_timed("rules", lambda: create_rules(catalog, arguments.customers))
    return {"api_key": create_key(now), "rules": rules, **steps}


def simulate_catalog(n: int, draws: np.random.Generator) -> SimulatedCatalog:
    product_types = [
        (department, *product_type) for department, (_name, inner) in DEPARTMENTS.items() for product_type in inner
    ]
    k = len(product_types)
    category = np.sort(np.concatenate([np.arange(k), draws.integers(k, size=max(n - k, 0))])[:n])
    adjective, material = draws.integers(len(ADJECTIVES), size=n), draws.integers(len(MATERIALS), size=n)
    chinese = draws.random(n) < CHINESE_SHARE
    titles, descriptions = [], []
    for row in range(n):
        department, product_type, product_type_chinese = product_types[category[row]]
        (colour, colour_chinese), (material_name, material_chinese) = (
            ADJECTIVES[adjective[row]],
            MATERIALS[material[row]],
        )
        number = row % 97 + 3
        if chinese[row]:
            titles.append(f"{colour_chinese}{material_chinese}{product_type_chinese} {number}型")
            descriptions.append(
                f"{DEPARTMENTS[department][0]}用{material_chinese}{product_type_chinese}，{colour_chinese}，质量可靠。"
            )
        else:
            titles.append(f"{colour.capitalize()} {material_name} {product_type} {number}")
            descriptions.append(
                f"A {colour} {product_type} of {material_name} for the {department.lower()}, made to last."
            )
    brands = [f"{SYLLABLES[a % 12]}{SYLLABLES[a // 12 % 12]}{SYLLABLES[a % 7]}".capitalize() for a in range(BRANDS)]
    brand_ranks = draw_by_power_law(n, BRANDS, draws)
    return SimulatedCatalog(
        titles=titles,
        descriptions=descriptions,
        brands=[brands[rank] for rank in brand_ranks.tolist()],
        category=category,
        paths=[f"{department} > {product_type.capitalize()}" for department, product_type, _chinese in product_types],
        price=np.round(np.exp(draws.normal(3.2, 0.8, n)), 2) + 0.5,
        colour=[ADJECTIVES[index][0] for index in adjective.tolist()],
        material=[MATERIALS[index][0] for index in material.tolist()],
        stock=np.where(draws.random(n) < 0.05, 0, draws.integers(1, 500, n)),
        published=draws.uniform(1, 1000, n),
        starts=np.searchsorted(category, np.arange(k + 1)),
    )


def draw_by_power_law(size: int, n: int, draws: np.random.Generator) -> Ints:
    """Draw size numbers from 0…n−1 with probabilities proportional to (number + 1)^−EXPONENT."""
    ends = np.cumsum(np.arange(1.0, n + 1.0) ** -EXPONENT)
    return np.searchsorted(ends, draws.random(size) * ends[-1]).astype(np.int64)


def draw_within_categories(catalog: SimulatedCatalog, category: Ints, draws: np.random.Generator) -> Ints:
    """Draw one row of each category, by the power law of the ranks within it."""
    sizes = np.diff(catalog.starts)
    ranks = np.arange(len(catalog)) - np.repeat(catalog.starts[:-1], sizes)
    ends = np.cumsum((ranks + 1.0) ** -EXPONENT)
    before = np.concatenate([[0.0], ends])[catalog.starts]
    targets = before[category] + draws.random(len(category)) * (before[category + 1] - before[category])
    return np.clip(np.searchsorted(ends, targets), catalog.starts[category], catalog.starts[category + 1] - 1)


def simulate_behavior(
    catalog: SimulatedCatalog, customers: int, mean: float, draws: np.random.Generator
) -> SimulatedBehavior:
    """Draw about `mean` interactions per customer, in visits during the year before the training."""
    visits_each = np.minimum(draws.geometric(INTERACTIONS_PER_VISIT / mean, customers), MAX_VISITS)
    visitor = np.repeat(np.arange(customers), visits_each)
    n = len(visitor)
    length = np.minimum(draws.geometric(1 / INTERACTIONS_PER_VISIT, n), MAX_INTERACTIONS_PER_VISIT)
    ordered = draws.random(n) < ORDER_SHARE
    ago = draws.uniform(60, DAYS * 86_400, n)
    category = draw_visited_categories(catalog, visitor, draws)
    item = np.empty((n, MAX_INTERACTIONS_PER_VISIT), np.int64)
    item[:, 0] = draw_within_categories(catalog, category, draws)
    for step in range(1, MAX_INTERACTIONS_PER_VISIT):
        changes_category = draws.random(n) < OTHER_CATEGORY_SHARE
        step_category = np.where(changes_category, draw_by_power_law(n, len(catalog.starts) - 1, draws), category)
        item[:, step] = draw_within_categories(catalog, step_category, draws)
        is_complement = draws.random(n) < COMPLEMENT_SHARE
        item[:, step] = np.where(is_complement, draw_complements(catalog, item[:, step - 1], draws), item[:, step])
    is_in_visit = np.arange(MAX_INTERACTIONS_PER_VISIT) < length[:, None]
    # later interactions of a visit are more recent, except that all lines of an order have one time
    seconds = np.where(ordered[:, None], 0.0, -30.0 * np.arange(MAX_INTERACTIONS_PER_VISIT))
    user = np.repeat(visitor, length)
    times = np.maximum((ago[:, None] + seconds)[is_in_visit], 1.0)
    in_time = np.lexsort((-times, user))
    return SimulatedBehavior(
        user[in_time], item[is_in_visit][in_time], times[in_time], np.repeat(ordered, length)[in_time]
    )


def draw_visited_categories(catalog: SimulatedCatalog, visitor: Ints, draws: np.random.Generator) -> Ints:
    """Draw one of the customer's preferred categories for each visit."""
    own = draw_by_power_law((int(visitor[-1]) + 1) * OWN_CATEGORIES, len(catalog.starts) - 1, draws).reshape(
        -1, OWN_CATEGORIES
    )
    return own[visitor, draws.integers(OWN_CATEGORIES, size=len(visitor))]


def draw_complements(catalog: SimulatedCatalog, item: Ints, draws: np.random.Generator) -> Ints:
    """Draw one of the three complements of each row, which are in the same category."""
    start, end = catalog.starts[catalog.category[item]], catalog.starts[catalog.category[item] + 1]
    return start + (item - start + draws.integers(1, 4, len(item))) % (end - start)


def store_products(catalog: SimulatedCatalog, now: datetime) -> None:
    from catalog.models import Category, Product

    departments = {
        name: Category.objects.create(name=name, slug=name.lower(), path=name)
        for name in dict.fromkeys(path.partition(" > ")[0] for path in catalog.paths)
    }
    for path in catalog.paths:
        parent, _sign, name = path.partition(" > ")
        slug = name.lower().replace(" ", "-").replace("'", "")
        Category.objects.create(name=name, slug=slug, parent=departments[parent], path=path)
    ids = dict(Category.objects.values_list("path", "id"))
    cost_fields = {field.name for field in Product._meta.get_fields()} & {"cost"}
    columns = (
        "product_id, sku, title, description, category_id, brand, price, currency, availability, stock, image_url, url, "
        "attributes, tags, published_at, is_active, created_at, updated_at"
        + "".join(f", {name}" for name in cost_fields)
    )
    with (
        psycopg.connect(os.environ["DATABASE_URL"]) as connection,
        connection.cursor() as cursor,
        cursor.copy(f"COPY catalog_product ({columns}) FROM STDIN") as copy,
    ):
        for row in range(len(catalog)):
            price, stock = float(catalog.price[row]), int(catalog.stock[row])
            cost = [round(price * (0.4 + row % 40 / 100), 2)] if cost_fields else []
            copy.write_row(
                (
                    format_product_id(row), f"SKU-{row}", catalog.titles[row], catalog.descriptions[row],
                    ids[catalog.paths[catalog.category[row]]], catalog.brands[row], round(price, 2), "EUR",
                    "in_stock" if stock else "out_of_stock", stock,
                    f"https://cdn.shop.example/images/{format_product_id(row)}-600.jpg", f"https://shop.example/p/{format_product_id(row)}",
                    json.dumps({"colour": catalog.colour[row], "material": catalog.material[row]}),
                    [catalog.colour[row]], now - timedelta(days=float(catalog.published[row])), row % 100 != 7, now, now, *cost,
                )
            )  # fmt: skip
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE catalog_product")


def format_product_id(row: int) -> str:
    return f"p{row:06d}"


def format_user_id(person: int) -> str:
    return f"customer-{person:07d}"


def format_visitor_id(person: int) -> str:
    return f"{person * 2654435761 % 2**32:08x}-{person:012x}"


def has_visitor(person: int) -> bool:
    """Return whether a customer is also known by a browser; every third one is."""
    return person % 3 == 0


def build_training_data(
    catalog: SimulatedCatalog, behavior: SimulatedBehavior, customers: int, *, as_of: datetime, now: datetime
) -> Any:
    import pyarrow as pa

    from recommendations.engine import KIND_CODES, IdMap, Interactions
    from recommendations.engine.exploration import ExplorationTrials
    from recommendations.training.data.data_position import DataPosition
    from recommendations.training.data.dismissals import Dismissals
    from recommendations.training.data.extract import TrainingData, build_products, compute_fingerprint

    users, rank = IdMap.number_ids(np.arange(10_000_000, 10_000_000 + customers))
    order = as_of.timestamp() - behavior.ago
    in_time = np.argsort(order, kind="stable")
    interactions = Interactions.from_rows(
        user=rank[behavior.user][in_time],
        item=behavior.item[in_time],
        order=order[in_time],
        kind=np.where(behavior.bought, KIND_CODES["purchase"], KIND_CODES["view"])[in_time],
        users=users,
        items=IdMap.of(catalog.list_product_ids()),
        as_of=as_of.timestamp(),
    )
    names = [f"user_id:{format_user_id(person)}" for person in range(customers)]
    visitors = [person for person in range(customers) if has_visitor(person)]
    names += [f"anonymous_id:{format_visitor_id(person)}" for person in visitors]
    identifiers, position = IdMap.number_ids(names)
    people = np.empty(len(names), np.int32)
    people[position] = rank[np.concatenate([np.arange(customers), np.array(visitors, np.int64)])]
    table = pa.table(
        {
            "product_id": catalog.list_product_ids(),
            "title": catalog.titles,
            "description": catalog.descriptions,
            "brand": catalog.brands,
            "category": [catalog.paths[index] for index in catalog.category.tolist()],
            "currency": ["EUR"] * len(catalog),
            "price": catalog.price,
            "attributes": [
                json.dumps({"colour": colour, "material": material})
                for colour, material in zip(catalog.colour, catalog.material, strict=True)
            ],
            "tags": [[colour] for colour in catalog.colour],
        }
    )
    return TrainingData(
        interactions,
        build_products(table),
        identifiers,
        people,
        compute_fingerprint(interactions),
        Dismissals(np.zeros(customers + 1, np.int64), np.empty(0, np.int32)),
        now.timestamp() - catalog.published * 86_400.0,
        DataPosition(now.timestamp()),
        ExplorationTrials.of(
            [], categories=[], shown=np.empty(0, int), takers=np.empty(0, int), interested=np.empty(0, int)
        ),
    )


def fit_model(
    catalog: SimulatedCatalog,
    behavior: SimulatedBehavior,
    customers: int,
    *,
    as_of: datetime,
    now: datetime,
    copies: int,
) -> None:
    """Fit, save and promote a model as a training does, with default parameters and fixed weights instead of tuning."""
    from django.conf import settings

    from recommendations.engine.data.event_weights import DEFAULT_EVENT_WEIGHTS
    from recommendations.engine.exploration import count_people
    from recommendations.training.evaluation.latency import measure_latency
    from recommendations.training.registry.artifacts import save_artifact
    from recommendations.training.registry.promotion import get_artifact_folder, promote_version
    from recommendations.training.train import (
        TrainingOutcome,
        build_artifact,
        build_version,
        fit_for_serving,
    )
    from recommendations.training.tuning.model_choice import ModelChoice
    from recommendations.training.tuning.search_space import CANDIDATES, describe_starts

    data = build_training_data(catalog, behavior, customers, as_of=as_of, now=now)
    available = describe_starts(CANDIDATES) | {"trending": {"algorithm": "trending", "parameters": {}}}
    components = {name: available[name] for name in (*WEIGHTS, *UNWEIGHTED_COMPONENTS)}
    weights = {name: WEIGHTS.get(name, 0.0) for name in components}
    outcome = TrainingOutcome(ModelChoice(DEFAULT_EVENT_WEIGHTS, components, weights, "max", float("nan"), {}, [], []))
    weighted, blend = fit_for_serving(data=data, choice=outcome.choice)
    # compiles the kernels that serving needs
    measure_latency(model=blend, histories=weighted.interactions.build_histories(), seed=SEED)
    version = build_version(data=data, outcome=outcome, as_of=as_of, created_at=now)
    artifact = build_artifact(data=weighted, blend=blend, outcome=outcome, people=count_people(data.interactions))
    settings.MODELS_DIR.mkdir(parents=True, exist_ok=True)
    version.checksum = save_artifact(folder=get_artifact_folder(version), artifact=artifact)
    version.save()
    promote_version(version=version, at=now)
    for number in range(1, copies + 1):
        copy = copy_version(version, f"{version.version}-copy-{number}")
        shutil.copytree(get_artifact_folder(version), get_artifact_folder(copy))
        copy.save()


def copy_version(version: Any, name: str) -> Any:
    """Return a copy of a version under another name, which has not been promoted."""
    from recommendations.training.models import ModelVersion

    fields = {field.attname: getattr(version, field.attname) for field in ModelVersion._meta.concrete_fields}
    fields |= {"id": None, "version": name, "artifact": name, "status": "candidate", "activated_at": None}
    return ModelVersion(**fields)


def promote_by_name(name: str) -> dict[str, Any]:
    """Promote a version as the last step of a training does, and return when."""
    from recommendations.training.models import ModelVersion
    from recommendations.training.registry.promotion import promote_version

    version = ModelVersion.objects.get(version=name)
    began = time.time()
    promote_version(version=version, at=datetime.now(UTC))
    return {"version": name, "began": began, "promoted": time.time()}


def write_recent_activity(
    catalog: SimulatedCatalog,
    behavior: SimulatedBehavior,
    customers: int,
    *,
    as_of: datetime,
    draws: np.random.Generator,
) -> SimulatedBehavior:
    """Write the recent activity of all customers as the collector does; return the part after the training."""
    from customers.events.recent.interactions import (
        MEANING_LETTERS,
        link_identifiers,
        read_recent_activity,
        run_remember_script,
        to_base36,
    )

    new = simulate_recent_views(catalog, behavior, customers, draws)
    ids = catalog.list_product_ids()
    ends = np.searchsorted(behavior.user, np.arange(customers) + 1)
    since = np.searchsorted(new.user, np.arange(customers + 1))
    moment = int(as_of.timestamp())
    seconds = moment - behavior.ago.astype(np.int64)
    later = moment - new.ago.astype(np.int64)
    nothing: dict[str, object] = {"pairs": [], "dismissed": [], "denied": []}
    for start in range(0, customers, LISTS_PER_CALL):
        lists = []
        for person in range(start, min(start + LISTS_PER_CALL, customers)):
            rows = [(behavior, seconds, index) for index in range(max(ends[person] - RECENT_OLD, 0), ends[person])]
            rows += [(new, later, index) for index in range(since[person], since[person + 1])]
            entries: list[int | str] = []
            for source, times, index in rows:
                letter = MEANING_LETTERS["purchase" if source.bought[index] else "view"]
                second = int(times[index])
                entries += [second, f"{letter}{to_base36(second)}:{ids[source.item[index]]}"]
            lists.append((f"user_id:{format_user_id(person)}", entries))
        run_remember_script({"lists": lists, **nothing})
        link_identifiers(
            groups=[
                [("user_id", format_user_id(person)), ("anonymous_id", format_visitor_id(person))]
                for person in range(start, min(start + LISTS_PER_CALL, customers))
                if has_visitor(person)
            ]
        )
        stored = read_recent_activity(identifiers=[("anonymous_id", format_visitor_id(start + -start % 3))])
        assert len(stored.interactions) > RECENT_NEW - 2, "Valkey did not store the lists in time"
    return new


def simulate_recent_views(
    catalog: SimulatedCatalog, behavior: SimulatedBehavior, customers: int, draws: np.random.Generator
) -> SimulatedBehavior:
    """Draw RECENT_NEW views per customer after the training, in the category of the last interaction; some are complements of it."""
    last = behavior.item[np.searchsorted(behavior.user, np.arange(customers) + 1) - 1]
    user = np.repeat(np.arange(customers), RECENT_NEW)
    item = draw_within_categories(catalog, np.repeat(catalog.category[last], RECENT_NEW), draws)
    is_complement = draws.random(len(item)) < COMPLEMENT_SHARE
    item = np.where(is_complement, draw_complements(catalog, np.repeat(last, RECENT_NEW), draws), item)
    starts = draws.uniform(3600, SINCE_TRAINING.total_seconds() - 600, customers)
    ago = -(np.repeat(starts, RECENT_NEW) + np.tile(45.0 * np.arange(RECENT_NEW), customers))
    return SimulatedBehavior(user, item, ago, np.zeros(len(user), np.bool_))


def create_rules(catalog: SimulatedCatalog, customers: int) -> int:
    """Create ten rules with all actions, one of them for a tenth of the customers; return their number."""
    from customers.segments.models import Segment
    from recommendations.merchandising.models import Rule
    from recommendations.merchandising.segment_members.member_file import (
        encode_members,
        get_members_path,
        hash_identifier,
        replace_members_file,
    )

    regulars = Segment.objects.create(key="regulars", name="regulars", kind=Segment.Kind.STATIC)
    people = [hash_identifier(f"user_id:{format_user_id(person)}") for person in range(0, customers, 10)]
    replace_members_file(
        path=get_members_path(), content=encode_members({regulars.pk: np.array(sorted(people), np.uint64)})
    )
    path = catalog.paths[0]
    rules: list[dict[str, Any]] = [
        {"action": "pin", "position": 3, "product_ids": [format_product_id(1)], "scenarios": ["for-you"]},
        {"action": "boost", "factor": 1.5, "brand": catalog.brands[0]},
        {"action": "boost", "factor": 1.2, "category": path.partition(" > ")[0], "segment": regulars},
        {"action": "boost", "factor": 1.2, "margin_from": "0.4"},
        {"action": "boost", "factor": 1.3, "new_within_days": 30},
        {"action": "boost", "factor": 1.1, "attribute_name": "colour", "attribute_value": "blue"},
        {"action": "bury", "factor": 0.5, "price_from": 200},
        {"action": "bury", "factor": 0.7, "stock_to": 5},
        {"action": "hide", "brand": catalog.brands[-1]},
        {"action": "hide", "category": path, "scenarios": ["cart"]},
    ]
    for number, rule in enumerate(rules):
        Rule.objects.create(name=f"rule {number}", **rule)
    return len(rules)


def create_key(now: datetime) -> str:
    from config.access.keys import create_api_key
    from config.access.models import ApiKey

    key, plain = create_api_key(name="bench", kind=ApiKey.Kind.SECRET, scopes=["recommendations:read"], now=now)
    key.requests_per_minute = REQUESTS_PER_MINUTE
    key.save()
    return plain


def write_requests(catalog: SimulatedCatalog, recent: SimulatedBehavior, customers: int, folder: Path) -> None:
    """Write a file for each type of request, with one JSON array [method, target, body, language] per line."""
    draws = random.Random(SEED)
    people = [draws.randrange(customers) for _call in range(min(REQUESTS_PER_TYPE, 4 * customers))]
    for name, make in REQUEST_BUILDERS.items():
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            for person in people:
                language = "zh-CN,zh;q=0.9" if draws.random() < CHINESE_READERS else "en-GB,en;q=0.9"
                file.write(json.dumps([*make(catalog, recent, person, draws), language], ensure_ascii=False) + "\n")


def get_last_viewed_row(catalog: SimulatedCatalog, recent: SimulatedBehavior, person: int) -> int:
    """Return the row of the product that a customer viewed last."""
    return int(recent.item[person * RECENT_NEW + RECENT_NEW - 1])


def build_filters(catalog: SimulatedCatalog, row: int, draws: random.Random) -> str:
    """Return parameters that filter by the department of a product and a price band of the storefront."""
    low, high = draws.choice(PRICE_BANDS)
    department = catalog.paths[catalog.category[row]].partition(" > ")[0]
    return f"n=20&category={department}&price_min={low}&price_max={high}"


def build_identifier(person: int, draws: random.Random) -> str:
    """Return the parameter that identifies a customer: the user id, or sometimes the anonymous id."""
    if has_visitor(person) and draws.random() < 0.5:
        return f"anonymous_id={format_visitor_id(person)}"
    return f"user_id={format_user_id(person)}"


def build_for_you_request(
    catalog: SimulatedCatalog, recent: SimulatedBehavior, person: int, draws: random.Random
) -> list[str]:
    row = get_last_viewed_row(catalog, recent, person)
    target = f"/api/v1/recommendations/for-you/?{build_identifier(person, draws)}&{build_filters(catalog, row, draws)}"
    return ["GET", target, ""]


def build_any_price_request(
    catalog: SimulatedCatalog, recent: SimulatedBehavior, person: int, draws: random.Random
) -> list[str]:
    """Use prices that hardly any other request has, so that no cached mask of the filters can be used."""
    row = get_last_viewed_row(catalog, recent, person)
    department = catalog.paths[catalog.category[row]].partition(" > ")[0]
    low, high = draws.randrange(100, 900) / 100, draws.randrange(6000, 90_000) / 100
    prices = f"category={department}&price_min={low}&price_max={high}"
    return ["GET", f"/api/v1/recommendations/for-you/?{build_identifier(person, draws)}&n=20&{prices}", ""]


def build_similar_request(
    catalog: SimulatedCatalog, recent: SimulatedBehavior, person: int, draws: random.Random
) -> list[str]:
    row = get_last_viewed_row(catalog, recent, person)
    product = f"product_id={format_product_id(row)}&{build_filters(catalog, row, draws)}"
    return ["GET", f"/api/v1/recommendations/similar/?{build_identifier(person, draws)}&{product}", ""]


def build_cart_request(
    catalog: SimulatedCatalog, recent: SimulatedBehavior, person: int, draws: random.Random
) -> list[str]:
    rows = recent.item[person * RECENT_NEW : (person + 1) * RECENT_NEW - 1].tolist()
    ids = ",".join(format_product_id(row) for row in dict.fromkeys(rows))
    cart = f"product_ids={ids}&{build_filters(catalog, rows[0], draws)}"
    return ["GET", f"/api/v1/recommendations/cart/?{build_identifier(person, draws)}&{cart}", ""]


def build_rank_request(
    catalog: SimulatedCatalog, recent: SimulatedBehavior, person: int, draws: random.Random
) -> list[str]:
    """Build a request to rank the products of a category, filled up with products of the whole shop."""
    category = catalog.category[get_last_viewed_row(catalog, recent, person)]
    rows = list(range(int(catalog.starts[category]), int(catalog.starts[category + 1])))[:RANKED_PRODUCTS]
    rows = list(dict.fromkeys([*rows, *(draws.randrange(len(catalog)) for _product in range(RANKED_PRODUCTS))]))[
        :RANKED_PRODUCTS
    ]
    body = {"user_id": format_user_id(person), "product_ids": [format_product_id(row) for row in rows]}
    return ["POST", "/api/v1/rank/", json.dumps(body)]


def build_search_request(
    catalog: SimulatedCatalog, recent: SimulatedBehavior, person: int, draws: random.Random
) -> list[str]:
    """Build a search for two words of a title, sometimes unfinished and sometimes misspelled."""
    words = catalog.titles[get_last_viewed_row(catalog, recent, person)].split()
    typed = " ".join(words[1:-1] if len(words) > 2 else words[:1])
    variant = draws.random()
    if variant < 0.2:
        typed = typed[: max(3, len(typed) - 2)]
    elif variant < 0.3 and len(typed) > 5:
        index = draws.randrange(1, len(typed) - 2)
        typed = typed[:index] + typed[index + 1] + typed[index] + typed[index + 2 :]
    low, high = draws.choice(PRICE_BANDS)
    return [
        "GET",
        f"/api/v1/search/?q={quote(typed)}&{build_identifier(person, draws)}&n=20&price_min={low}&price_max={high}",
        "",
    ]


def build_autocomplete_request(
    catalog: SimulatedCatalog, recent: SimulatedBehavior, person: int, draws: random.Random
) -> list[str]:
    """Build a request for the first letters of a title without its first word."""
    words = catalog.titles[get_last_viewed_row(catalog, recent, person)].split()
    typed = " ".join(words[1:-1] if len(words) > 2 else words[:1])
    return ["GET", f"/api/v1/search/autocomplete/?q={quote(typed[: draws.randint(1, len(typed))])}&n=5", ""]


REQUEST_BUILDERS: dict[str, Callable[[SimulatedCatalog, SimulatedBehavior, int, random.Random], list[str]]] = {
    "for-you": build_for_you_request,
    "for-you-any-price": build_any_price_request,
    "similar": build_similar_request,
    "cart": build_cart_request,
    "rank": build_rank_request,
    "search": build_search_request,
    "autocomplete": build_autocomplete_request,
}


def log(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
