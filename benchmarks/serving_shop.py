"""The made shop of benchmarks.serving: products in PostgreSQL, customers with recent lists in Valkey, a model that knows them.

Popularity falls as a power of the rank, everybody has a few categories of their own, visits stay in one, some products are taken one
after the other, and what is bought at the same moment is a basket. The model is fitted, saved and promoted by the real code.

    python -m benchmarks.serving_shop --folder FOLDER            makes all of it, in the servers that the environment names
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
PER_CUSTOMER = 8.0  # interactions, in the mean
PER_VISIT = 3.0
LONGEST_VISIT = 8
MOST_VISITS = 12
ORDERED = 0.3  # of the visits
OWN_CATEGORIES = 3
FOLLOWING = 0.35  # what is taken next is a companion of the one before
ELSEWHERE = 0.15
EXPONENT = 0.8  # popularity ~ rank^−EXPONENT, within a category and among categories
DAYS = 365
RECENT_OLD, RECENT_NEW = 2, 4  # entries of a recent list, before the model and since
LISTS_A_CALL = 400
SINCE_TRAINING = timedelta(hours=12)
CALLS = 10_000  # different requests of each kind
RANKED = 200
CHINESE_READERS = 0.2
BANDS = ((1, 60), (5, 200), (10, 1000))  # of prices
WEIGHTS = {"popularity": 0.1, "item-knn": 0.3, "transitions": 0.35, "session-knn": 0.15, "co-purchase": 0.1}
OTHERS = ("content", "repeat", "repeat-rhythm", "trending")  # parts that only other places of the shop use
REQUESTS_PER_MINUTE = 100_000_000

type Ints = npt.NDArray[np.int64]
type Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Shelf:
    """Products by row, whose ids are in the order of their rows; rows of one category stand together, the most popular first."""

    titles: list[str]
    descriptions: list[str]
    brands: list[str]
    category: Ints
    paths: list[str]
    price: Floats
    colour: list[str]
    material: list[str]
    stock: Ints
    published: Floats  # days ago
    starts: Ints

    def __len__(self) -> int:
        return len(self.titles)

    def product_ids(self) -> list[str]:
        return [product_id(row) for row in range(len(self))]


@dataclass(frozen=True, eq=False)
class Deeds:
    """What customers did, by customer and in order of time. ago: seconds before the model's as_of, negative for what came since."""

    user: Ints
    item: Ints
    ago: Floats
    bought: npt.NDArray[np.bool_]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="for requests and what is to be known of the shop")
    parser.add_argument("--products", type=int, default=12_000)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--copies", type=int, default=0, help="of the model, to promote later")
    parser.add_argument("--promote", help="this version instead, and nothing else")
    arguments = parser.parse_args()
    import django

    django.setup()
    if arguments.promote:
        print(json.dumps(promote_version(arguments.promote)))
    else:
        print(json.dumps(make_shop(arguments)))


def make_shop(arguments: argparse.Namespace) -> dict[str, Any]:
    from django.core.management import call_command

    now = datetime.now(UTC).replace(microsecond=0)
    as_of = now - SINCE_TRAINING
    steps: dict[str, float] = {}

    def timed[T](name: str, work: Callable[[], T]) -> T:
        say(f"{arguments.products:,} products: {name}")
        began = time.perf_counter()
        result = work()
        steps[f"{name}_s"] = round(time.perf_counter() - began, 1)
        return result

    timed("migrate", lambda: call_command("migrate", verbosity=0))
    draws = np.random.default_rng(SEED)
    shelf = make_shelf(arguments.products, draws)
    timed("store", lambda: store_products(shelf, now))
    deeds = timed("deeds", lambda: make_deeds(shelf, arguments.customers, PER_CUSTOMER, draws))
    timed("fit", lambda: fit_model(shelf, deeds, arguments.customers, as_of=as_of, now=now, copies=arguments.copies))
    recent = timed("recent", lambda: remember(shelf, deeds, arguments.customers, as_of=as_of, draws=draws))
    arguments.folder.mkdir(parents=True, exist_ok=True)
    timed("requests", lambda: write_requests(shelf, recent, arguments.customers, arguments.folder))
    rules = timed("rules", lambda: make_rules(shelf, arguments.customers))
    return {"api_key": make_key(now), "rules": rules, **steps}


def make_shelf(n: int, draws: np.random.Generator) -> Shelf:
    things = [(department, *thing) for department, (_name, inner) in DEPARTMENTS.items() for thing in inner]
    k = len(things)
    category = np.sort(np.concatenate([np.arange(k), draws.integers(k, size=max(n - k, 0))])[:n])
    adjective, material = draws.integers(len(ADJECTIVES), size=n), draws.integers(len(MATERIALS), size=n)
    chinese = draws.random(n) < CHINESE_SHARE
    titles, descriptions = [], []
    for row in range(n):
        department, thing, in_chinese = things[category[row]]
        (colour, its_colour), (of, of_chinese) = ADJECTIVES[adjective[row]], MATERIALS[material[row]]
        number = row % 97 + 3
        if chinese[row]:
            titles.append(f"{its_colour}{of_chinese}{in_chinese} {number}型")
            descriptions.append(f"{DEPARTMENTS[department][0]}用{of_chinese}{in_chinese}，{its_colour}，质量可靠。")
        else:
            titles.append(f"{colour.capitalize()} {of} {thing} {number}")
            descriptions.append(f"A {colour} {thing} of {of} for the {department.lower()}, made to last.")
    brands = [f"{SYLLABLES[a % 12]}{SYLLABLES[a // 12 % 12]}{SYLLABLES[a % 7]}".capitalize() for a in range(BRANDS)]
    chosen = powerlaw(n, BRANDS, draws)
    return Shelf(
        titles=titles,
        descriptions=descriptions,
        brands=[brands[place] for place in chosen.tolist()],
        category=category,
        paths=[f"{department} > {thing.capitalize()}" for department, thing, _chinese in things],
        price=np.round(np.exp(draws.normal(3.2, 0.8, n)), 2) + 0.5,
        colour=[ADJECTIVES[place][0] for place in adjective.tolist()],
        material=[MATERIALS[place][0] for place in material.tolist()],
        stock=np.where(draws.random(n) < 0.05, 0, draws.integers(1, 500, n)),
        published=draws.uniform(1, 1000, n),
        starts=np.searchsorted(category, np.arange(k + 1)),
    )


def powerlaw(size: int, n: int, draws: np.random.Generator) -> Ints:
    """Places 0…n−1, each drawn with a chance in proportion to (place + 1)^−EXPONENT."""
    ends = np.cumsum(np.arange(1.0, n + 1.0) ** -EXPONENT)
    return np.searchsorted(ends, draws.random(size) * ends[-1]).astype(np.int64)


def within_categories(shelf: Shelf, category: Ints, draws: np.random.Generator) -> Ints:
    """A row of each of the categories, by the power law of their ranks."""
    sizes = np.diff(shelf.starts)
    ranks = np.arange(len(shelf)) - np.repeat(shelf.starts[:-1], sizes)
    ends = np.cumsum((ranks + 1.0) ** -EXPONENT)
    before = np.concatenate([[0.0], ends])[shelf.starts]
    wanted = before[category] + draws.random(len(category)) * (before[category + 1] - before[category])
    return np.clip(np.searchsorted(ends, wanted), shelf.starts[category], shelf.starts[category + 1] - 1)


def make_deeds(shelf: Shelf, customers: int, mean: float, draws: np.random.Generator) -> Deeds:
    """About ``mean`` interactions a customer in visits over a year before the model."""
    visits_each = np.minimum(draws.geometric(PER_VISIT / mean, customers), MOST_VISITS)
    visitor = np.repeat(np.arange(customers), visits_each)
    n = len(visitor)
    length = np.minimum(draws.geometric(1 / PER_VISIT, n), LONGEST_VISIT)
    ordered = draws.random(n) < ORDERED
    ago = draws.uniform(60, DAYS * 86_400, n)
    category = visited_categories(shelf, visitor, draws)
    item = np.empty((n, LONGEST_VISIT), np.int64)
    item[:, 0] = within_categories(shelf, category, draws)
    for place in range(1, LONGEST_VISIT):
        elsewhere = draws.random(n) < ELSEWHERE
        somewhere = np.where(elsewhere, powerlaw(n, len(shelf.starts) - 1, draws), category)
        item[:, place] = within_categories(shelf, somewhere, draws)
        follows = draws.random(n) < FOLLOWING
        item[:, place] = np.where(follows, companion(shelf, item[:, place - 1], draws), item[:, place])
    taken = np.arange(LONGEST_VISIT) < length[:, None]
    seconds = np.where(
        ordered[:, None], 0.0, -30.0 * np.arange(LONGEST_VISIT)
    )  # later lines of a visit are less long ago
    user = np.repeat(visitor, length)
    times = np.maximum((ago[:, None] + seconds)[taken], 1.0)
    in_time = np.lexsort((-times, user))
    return Deeds(user[in_time], item[taken][in_time], times[in_time], np.repeat(ordered, length)[in_time])


def visited_categories(shelf: Shelf, visitor: Ints, draws: np.random.Generator) -> Ints:
    """Of each visit one of the customer's own categories."""
    own = powerlaw((int(visitor[-1]) + 1) * OWN_CATEGORIES, len(shelf.starts) - 1, draws).reshape(-1, OWN_CATEGORIES)
    return own[visitor, draws.integers(OWN_CATEGORIES, size=len(visitor))]


def companion(shelf: Shelf, item: Ints, draws: np.random.Generator) -> Ints:
    """One of the three rows that go with each, of the same category."""
    start, end = shelf.starts[shelf.category[item]], shelf.starts[shelf.category[item] + 1]
    return start + (item - start + draws.integers(1, 4, len(item))) % (end - start)


def store_products(shelf: Shelf, now: datetime) -> None:
    from catalog.models import Category, Product

    departments = {
        name: Category.objects.create(name=name, slug=name.lower(), path=name)
        for name in dict.fromkeys(path.partition(" > ")[0] for path in shelf.paths)
    }
    for path in shelf.paths:
        parent, _sign, name = path.partition(" > ")
        slug = name.lower().replace(" ", "-").replace("'", "")
        Category.objects.create(name=name, slug=slug, parent=departments[parent], path=path)
    ids = dict(Category.objects.values_list("path", "id"))
    costs = {field.name for field in Product._meta.get_fields()} & {"cost"}
    columns = (
        "product_id, sku, title, description, category_id, brand, price, currency, availability, stock, image_url, url, "
        "attributes, tags, published_at, is_active, created_at, updated_at" + "".join(f", {name}" for name in costs)
    )
    with (
        psycopg.connect(os.environ["DATABASE_URL"]) as connection,
        connection.cursor() as cursor,
        cursor.copy(f"COPY catalog_product ({columns}) FROM STDIN") as copy,
    ):
        for row in range(len(shelf)):
            price, stock = float(shelf.price[row]), int(shelf.stock[row])
            kept = [round(price * (0.4 + row % 40 / 100), 2)] if costs else []
            copy.write_row(
                (
                    product_id(row), f"SKU-{row}", shelf.titles[row], shelf.descriptions[row],
                    ids[shelf.paths[shelf.category[row]]], shelf.brands[row], round(price, 2), "EUR",
                    "in_stock" if stock else "out_of_stock", stock,
                    f"https://cdn.shop.example/images/{product_id(row)}-600.jpg", f"https://shop.example/p/{product_id(row)}",
                    json.dumps({"colour": shelf.colour[row], "material": shelf.material[row]}),
                    [shelf.colour[row]], now - timedelta(days=float(shelf.published[row])), row % 100 != 7, now, now, *kept,
                )
            )  # fmt: skip
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE catalog_product")


def product_id(row: int) -> str:
    return f"p{row:06d}"


def user_id(person: int) -> str:
    return f"customer-{person:07d}"


def visitor_id(person: int) -> str:
    return f"{person * 2654435761 % 2**32:08x}-{person:012x}"


def has_visitor(person: int) -> bool:
    """Every third customer is known by a browser too."""
    return person % 3 == 0


def training_data(shelf: Shelf, deeds: Deeds, customers: int, *, as_of: datetime, now: datetime) -> Any:
    import pyarrow as pa

    from recommendations.engine import KIND_CODES, IdMap, Interactions
    from recommendations.training.data.dismissals import Dismissals
    from recommendations.training.data.extract import TrainingData, build_products, compute_fingerprint

    users, rank = IdMap.numbered(np.arange(10_000_000, 10_000_000 + customers))
    order = as_of.timestamp() - deeds.ago
    in_time = np.argsort(order, kind="stable")
    interactions = Interactions.from_rows(
        user=rank[deeds.user][in_time],
        item=deeds.item[in_time],
        order=order[in_time],
        kind=np.where(deeds.bought, KIND_CODES["purchase"], KIND_CODES["view"])[in_time],
        users=users,
        items=IdMap.of(shelf.product_ids()),
        as_of=as_of.timestamp(),
    )
    names = [f"user_id:{user_id(person)}" for person in range(customers)]
    visitors = [person for person in range(customers) if has_visitor(person)]
    names += [f"anonymous_id:{visitor_id(person)}" for person in visitors]
    identifiers, place = IdMap.numbered(names)
    people = np.empty(len(names), np.int32)
    people[place] = rank[np.concatenate([np.arange(customers), np.array(visitors, np.int64)])]
    catalogue = pa.table(
        {
            "product_id": shelf.product_ids(),
            "title": shelf.titles,
            "description": shelf.descriptions,
            "brand": shelf.brands,
            "category": [shelf.paths[place] for place in shelf.category.tolist()],
            "currency": ["EUR"] * len(shelf),
            "price": shelf.price,
            "attributes": [
                json.dumps({"colour": colour, "material": material})
                for colour, material in zip(shelf.colour, shelf.material, strict=True)
            ],
            "tags": [[colour] for colour in shelf.colour],
        }
    )
    return TrainingData(
        interactions,
        build_products(catalogue),
        identifiers,
        people,
        compute_fingerprint(interactions),
        Dismissals(np.zeros(customers + 1, np.int64), np.empty(0, np.int32)),
        now.timestamp() - shelf.published * 86_400.0,
    )


def fit_model(shelf: Shelf, deeds: Deeds, customers: int, *, as_of: datetime, now: datetime, copies: int) -> None:
    """The real training but for its search: parameters where the candidates start, weights that are given."""
    from django.conf import settings

    from recommendations.engine.data.event_weights import DEFAULT_EVENT_WEIGHTS
    from recommendations.training.evaluation.latency import measure_latency
    from recommendations.training.registry.artifacts import save_artifact
    from recommendations.training.registry.promotion import get_artifact_folder, promote_version
    from recommendations.training.train import (
        TrainingOutcome,
        build_artifact,
        build_version,
        count_trials,
        fit_for_serving,
    )
    from recommendations.training.tuning.model_choice import ModelChoice
    from recommendations.training.tuning.search_space import CANDIDATES, describe_starts

    data = training_data(shelf, deeds, customers, as_of=as_of, now=now)
    known = describe_starts(CANDIDATES) | {"trending": {"algorithm": "trending", "parameters": {}}}
    components = {name: known[name] for name in (*WEIGHTS, *OTHERS)}
    weights = {name: WEIGHTS.get(name, 0.0) for name in components}
    outcome = TrainingOutcome(ModelChoice(DEFAULT_EVENT_WEIGHTS, components, weights, "max", float("nan"), {}, [], []))
    weighed, blend = fit_for_serving(data=data, choice=outcome.choice)
    measure_latency(model=blend, histories=weighed.interactions.histories(), seed=SEED)  # compiles what serving needs
    version = build_version(data=data, outcome=outcome, as_of=as_of, created_at=now)
    artifact = build_artifact(data=weighed, blend=blend, outcome=outcome, trials=count_trials(data, outcome))
    settings.MODELS_DIR.mkdir(parents=True, exist_ok=True)
    version.checksum = save_artifact(folder=get_artifact_folder(version), artifact=artifact)
    version.save()
    promote_version(version=version, at=now)
    for number in range(1, copies + 1):
        copy = replace_version(version, f"{version.version}-copy-{number}")
        shutil.copytree(get_artifact_folder(version), get_artifact_folder(copy))
        copy.save()


def replace_version(version: Any, name: str) -> Any:
    """Another version of the same model, which was not promoted yet."""
    from recommendations.training.models import ModelVersion

    fields = {field.attname: getattr(version, field.attname) for field in ModelVersion._meta.concrete_fields}
    fields |= {"id": None, "version": name, "artifact": name, "status": "candidate", "activated_at": None}
    return ModelVersion(**fields)


def promote_version(name: str) -> dict[str, Any]:
    """Makes a version serve, as a training's last step does; tells when."""
    from recommendations.training.models import ModelVersion
    from recommendations.training.registry.promotion import promote_version

    version = ModelVersion.objects.get(version=name)
    began = time.time()
    promote_version(version=version, at=datetime.now(UTC))
    return {"version": name, "began": began, "promoted": time.time()}


def remember(shelf: Shelf, deeds: Deeds, customers: int, *, as_of: datetime, draws: np.random.Generator) -> Deeds:
    """Writes everybody's recent list as the collector would; returns what is newer than the model."""
    from customers.events.recent.interactions import (
        MEANING_LETTERS,
        link_identifiers,
        read_recent_activity,
        run_remember_script,
        to_base36,
    )

    new = make_recent(shelf, deeds, customers, draws)
    ids = shelf.product_ids()
    ends = np.searchsorted(deeds.user, np.arange(customers) + 1)
    since = np.searchsorted(new.user, np.arange(customers + 1))
    moment = int(as_of.timestamp())
    seconds = moment - deeds.ago.astype(np.int64)
    later = moment - new.ago.astype(np.int64)
    nothing: dict[str, object] = {"pairs": [], "dismissed": [], "forgotten": []}
    for start in range(0, customers, LISTS_A_CALL):
        lists = []
        for person in range(start, min(start + LISTS_A_CALL, customers)):
            rows = [(deeds, seconds, place) for place in range(max(ends[person] - RECENT_OLD, 0), ends[person])]
            rows += [(new, later, place) for place in range(since[person], since[person + 1])]
            told: list[int | str] = []
            for source, times, place in rows:
                letter = MEANING_LETTERS["purchase" if source.bought[place] else "view"]
                second = int(times[place])
                told += [second, f"{letter}{to_base36(second)}:{ids[source.item[place]]}"]
            lists.append((f"user_id:{user_id(person)}", told))
        run_remember_script({"lists": lists, **nothing})
        link_identifiers(
            groups=[
                [("user_id", user_id(person)), ("anonymous_id", visitor_id(person))]
                for person in range(start, min(start + LISTS_A_CALL, customers))
                if has_visitor(person)
            ]
        )
        kept = read_recent_activity(identifiers=[("anonymous_id", visitor_id(start + -start % 3))])
        assert len(kept.interactions) > RECENT_NEW - 2, "Valkey did not take the lists in time"
    return new


def make_recent(shelf: Shelf, deeds: Deeds, customers: int, draws: np.random.Generator) -> Deeds:
    """RECENT_NEW views of each since the model, in the category of the last thing they did, some of them companions of it."""
    last = deeds.item[np.searchsorted(deeds.user, np.arange(customers) + 1) - 1]
    user = np.repeat(np.arange(customers), RECENT_NEW)
    item = within_categories(shelf, np.repeat(shelf.category[last], RECENT_NEW), draws)
    follows = draws.random(len(item)) < FOLLOWING
    item = np.where(follows, companion(shelf, np.repeat(last, RECENT_NEW), draws), item)
    starts = draws.uniform(3600, SINCE_TRAINING.total_seconds() - 600, customers)
    ago = -(np.repeat(starts, RECENT_NEW) + np.tile(45.0 * np.arange(RECENT_NEW), customers))
    return Deeds(user, item, ago, np.zeros(len(user), np.bool_))


def make_rules(shelf: Shelf, customers: int) -> int:
    """Ten rules of all kinds, one of them for a tenth of the customers; how many."""
    from customers.segments.models import Segment
    from recommendations.merchandising.models import Rule
    from recommendations.merchandising.segment_members.member_file import (
        encode_members,
        get_members_path,
        hash_identifier,
        replace_members_file,
    )

    regulars = Segment.objects.create(key="regulars", name="regulars", kind=Segment.Kind.STATIC)
    people = [hash_identifier(f"user_id:{user_id(person)}") for person in range(0, customers, 10)]
    replace_members_file(
        path=get_members_path(), content=encode_members({regulars.pk: np.array(sorted(people), np.uint64)})
    )
    thing = shelf.paths[0]
    told: list[dict[str, Any]] = [
        {"action": "pin", "position": 3, "product_ids": [product_id(1)], "scenarios": ["for-you"]},
        {"action": "boost", "factor": 1.5, "brand": shelf.brands[0]},
        {"action": "boost", "factor": 1.2, "category": thing.partition(" > ")[0], "segment": regulars},
        {"action": "boost", "factor": 1.2, "margin_from": "0.4"},
        {"action": "boost", "factor": 1.3, "new_within_days": 30},
        {"action": "boost", "factor": 1.1, "attribute_name": "colour", "attribute_value": "blue"},
        {"action": "bury", "factor": 0.5, "price_from": 200},
        {"action": "bury", "factor": 0.7, "stock_to": 5},
        {"action": "hide", "brand": shelf.brands[-1]},
        {"action": "hide", "category": thing, "scenarios": ["cart"]},
    ]
    for number, one in enumerate(told):
        Rule.objects.create(name=f"rule {number}", **one)
    return len(told)


def make_key(now: datetime) -> str:
    from config.access.keys import create_api_key
    from config.access.models import ApiKey

    key, plain = create_api_key(name="bench", kind=ApiKey.Kind.PUBLISHABLE, now=now)
    key.requests_per_minute = REQUESTS_PER_MINUTE
    key.save()
    return plain


def write_requests(shelf: Shelf, recent: Deeds, customers: int, folder: Path) -> None:
    """A file of each kind of request: [method, target, body, language] a line, of different customers."""
    chance = random.Random(SEED)
    people = [chance.randrange(customers) for _call in range(min(CALLS, 4 * customers))]
    for name, make in REQUESTS.items():
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            for person in people:
                language = "zh-CN,zh;q=0.9" if chance.random() < CHINESE_READERS else "en-GB,en;q=0.9"
                file.write(json.dumps([*make(shelf, recent, person, chance), language], ensure_ascii=False) + "\n")


def looked_at(shelf: Shelf, recent: Deeds, person: int) -> int:
    """The row of the product that somebody looked at last."""
    return int(recent.item[person * RECENT_NEW + RECENT_NEW - 1])


def filters(shelf: Shelf, row: int, chance: random.Random) -> str:
    """The department of a product and a range of prices that the storefront offers."""
    low, high = chance.choice(BANDS)
    department = shelf.paths[shelf.category[row]].partition(" > ")[0]
    return f"n=20&category={department}&price_min={low}&price_max={high}"


def who(person: int, chance: random.Random) -> str:
    """By the user id, or by the visitor's where there is one."""
    if has_visitor(person) and chance.random() < 0.5:
        return f"anonymous_id={visitor_id(person)}"
    return f"user_id={user_id(person)}"


def for_you(shelf: Shelf, recent: Deeds, person: int, chance: random.Random) -> list[str]:
    row = looked_at(shelf, recent, person)
    target = f"/api/v1/recommendations/for-you/?{who(person, chance)}&{filters(shelf, row, chance)}"
    return ["GET", target, ""]


def for_you_any_price(shelf: Shelf, recent: Deeds, person: int, chance: random.Random) -> list[str]:
    """With prices that hardly anybody asked for before, so that no mask of the filters is kept."""
    row = looked_at(shelf, recent, person)
    department = shelf.paths[shelf.category[row]].partition(" > ")[0]
    low, high = chance.randrange(100, 900) / 100, chance.randrange(6000, 90_000) / 100
    prices = f"category={department}&price_min={low}&price_max={high}"
    return ["GET", f"/api/v1/recommendations/for-you/?{who(person, chance)}&n=20&{prices}", ""]


def similar(shelf: Shelf, recent: Deeds, person: int, chance: random.Random) -> list[str]:
    row = looked_at(shelf, recent, person)
    product = f"product_id={product_id(row)}&{filters(shelf, row, chance)}"
    return ["GET", f"/api/v1/recommendations/similar/?{who(person, chance)}&{product}", ""]


def cart(shelf: Shelf, recent: Deeds, person: int, chance: random.Random) -> list[str]:
    rows = recent.item[person * RECENT_NEW : (person + 1) * RECENT_NEW - 1].tolist()
    named = ",".join(product_id(row) for row in dict.fromkeys(rows))
    basket = f"product_ids={named}&{filters(shelf, rows[0], chance)}"
    return ["GET", f"/api/v1/recommendations/cart/?{who(person, chance)}&{basket}", ""]


def rank(shelf: Shelf, recent: Deeds, person: int, chance: random.Random) -> list[str]:
    """A page of a category that the shop wants in the person's order, filled up from the whole shop."""
    category = shelf.category[looked_at(shelf, recent, person)]
    rows = list(range(int(shelf.starts[category]), int(shelf.starts[category + 1])))[:RANKED]
    rows = list(dict.fromkeys([*rows, *(chance.randrange(len(shelf)) for _product in range(RANKED))]))[:RANKED]
    body = {"user_id": user_id(person), "product_ids": [product_id(row) for row in rows]}
    return ["POST", "/api/v1/rank/", json.dumps(body)]


def search(shelf: Shelf, recent: Deeds, person: int, chance: random.Random) -> list[str]:
    """What somebody would type: two words of a title, sometimes the beginning of one, sometimes misspelt."""
    words = shelf.titles[looked_at(shelf, recent, person)].split()
    typed = " ".join(words[1:-1] if len(words) > 2 else words[:1])
    way = chance.random()
    if way < 0.2:
        typed = typed[: max(3, len(typed) - 2)]
    elif way < 0.3 and len(typed) > 5:
        place = chance.randrange(1, len(typed) - 2)
        typed = typed[:place] + typed[place + 1] + typed[place] + typed[place + 2 :]
    low, high = chance.choice(BANDS)
    return ["GET", f"/api/v1/search/?q={quote(typed)}&{who(person, chance)}&n=20&price_min={low}&price_max={high}", ""]


REQUESTS: dict[str, Callable[[Shelf, Deeds, int, random.Random], list[str]]] = {
    "for-you": for_you,
    "for-you-any-price": for_you_any_price,
    "similar": similar,
    "cart": cart,
    "rank": rank,
    "search": search,
}


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
