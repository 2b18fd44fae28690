"""A simulated shop: its truth agrees with its files, and the importers accept these with exactly the planted problems."""

import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from catalog.models import Product
from config.simulation import plan as plans
from config.simulation.catalog import draw_catalog
from config.simulation.output.live_sending import build_items
from config.simulation.plan import ShopPlan
from config.simulation.simulation import write_simulation
from customers.events.imports.file_import import import_events
from customers.events.models import Event, RejectedEvent, Source
from customers.feedback.models import Review
from customers.identity.models import Customer
from customers.orders.imports.file_import import import_orders
from customers.orders.models import Order
from tests.clients.web_server import run_web_server
from tests.customers.events.client import make_keyed_source
from tests.makers import NOON

PLAN = ShopPlan(customers=230, products=100, days=120, seed=7, until=date(2026, 7, 1))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A shop of three blocks in two parts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plans, "BLOCK", 100)
        patch.setattr(plans, "PART_BLOCKS", 2)
        folder = tmp_path_factory.mktemp("shop") / "files"
        write_simulation(PLAN, folder)
        yield folder


def read_truth(shop: Path, name: str) -> dict[str, Any]:
    table = pa.concat_tables([pq.read_table(path) for path in sorted((shop / "truth" / name).glob("*.parquet"))])
    return {column: table[column].to_numpy() for column in table.column_names if column != "taste"}


def read_dirty_rows(shop: Path, file: str) -> Counter[str]:
    dirty_rows, counts = read_truth(shop, "dirty_rows"), Counter[str]()
    for name, kind, rows in zip(dirty_rows["file"], dirty_rows["kind"], dirty_rows["rows"], strict=True):
        if name == file:
            counts[kind] += int(rows)
    return counts


def hash_files(folder: Path) -> dict[str, str]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def test_an_interrupted_run_continues_and_equals_one_without_interruption(shop: Path, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == PLAN.customers:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_simulation(PLAN, tmp_path / "again", progress=interrupt)
    names = {path.name for path in (tmp_path / "again").rglob("*")}
    assert {"00000.csv.gz", "00000.json"} <= names
    assert not any("00001" in name or "partial" in name for name in names)
    write_simulation(PLAN, tmp_path / "again")
    assert hash_files(tmp_path / "again") == hash_files(shop)


def test_the_shortest_period_has_no_campaign(tmp_path: Path) -> None:
    plan = ShopPlan(customers=20, products=20, days=28, seed=7, until=date(2026, 7, 1))
    assert plan.campaign_days == []
    assert write_simulation(plan, tmp_path / "files")["is_complete"]
    assert len(read_truth(tmp_path / "files", "campaigns")["customer_id"]) == 0


def test_the_truth_agrees_with_the_order_files(shop: Path) -> None:
    customers = read_truth(shop, "customers")
    lines = pa.concat_tables(
        [
            pa_csv.read_csv(
                path,
                convert_options=pa_csv.ConvertOptions(
                    column_types=dict.fromkeys(["unit_price", "quantity", "placed_at"], pa.string())
                ),
            )
            for path in sorted((shop / "orders").iterdir())
        ]
    )
    real = lines.filter(pc.starts_with(lines["order_id"], "o-"))
    seen = real.group_by(["order_id", "line_number"], use_threads=False).aggregate(
        [
            ("customer_id", "first"),
            ("quantity", "first"),
            ("unit_price", "first"),
            ("line_discount", "first"),
            ("placed_at", "first"),
        ]
    )
    assert len(real) - len(seen) == read_dirty_rows(shop, "orders")["duplicate_line"] > 0
    owner = np.array([int(text[1:]) for text in seen["customer_id_first"].to_pylist()])
    value = (
        seen["quantity_first"].cast(pa.float64()).to_numpy() * seen["unit_price_first"].cast(pa.float64()).to_numpy()
    )
    value = value - seen["line_discount_first"].to_numpy()
    assert np.bincount(owner, value, minlength=PLAN.customers) == pytest.approx(customers["revenue"], abs=0.006)
    day = (
        np.array([text[:10] for text in seen["placed_at_first"].to_pylist()], "datetime64[D]")
        - np.datetime64(PLAN.start.date())
    ).astype(int)
    assert np.array_equal(
        np.bincount(np.unique(np.stack([owner, day]), axis=1)[0], minlength=PLAN.customers), customers["orders"]
    )
    assert (day < customers["death_day"][owner]).all()
    assert (day >= customers["birth_day"][owner]).all()


def test_effects_are_recovered_by_the_mean_of_both_outcomes(shop: Path) -> None:
    campaigns = read_truth(shop, "campaigns")
    effect = campaigns["orders1"].astype(float) - campaigns["orders0"]
    assert set(np.unique(effect)) == {-1.0, 0.0, 1.0}
    assert effect.mean() == pytest.approx(
        campaigns["expected_effect"].mean(), abs=4 * effect.std() / len(effect) ** 0.5
    )
    observed = np.where(campaigns["is_treated"], campaigns["orders1"], campaigns["orders0"])
    difference = observed[campaigns["is_treated"]].mean() - observed[~campaigns["is_treated"]].mean()
    assert difference == pytest.approx(effect.mean(), abs=4 * observed.std() * 2 / len(observed) ** 0.5)
    changed = campaigns["revenue1"] - campaigns["revenue0"]
    assert np.array_equal(np.sign(changed), effect)


def test_the_dead_order_nothing_and_expectations_agree_with_what_happens(shop: Path) -> None:
    customers = read_truth(shop, "customers")
    assert not customers["future_365_orders"][~customers["is_alive"]].any()
    assert customers["p_alive"].mean() == pytest.approx(customers["is_alive"].mean(), abs=0.08)
    demand = read_truth(shop, "demand")
    units, expected = demand["units"].sum(), (demand["expected"] + demand["expected_rhythm"]).sum()
    assert units == pytest.approx(expected, rel=0.08)


@pytest.mark.django_db(transaction=True)
def test_importers_reject_exactly_the_planted_rows(shop: Path, tmp_path: Path, settings: Any) -> None:
    settings.EXPORTS_DIR = tmp_path / "exports"
    call_command("import_products", shop / "products.jsonl", stdout=io.StringIO(), stderr=io.StringIO())
    assert Product.objects.filter(is_active=True).count() == PLAN.products
    rejected: Counter[str] = Counter()
    source = Source.objects.create(key="storefront", name="Storefront", kind=Source.Kind.SERVER)
    for path in sorted((shop / "orders").iterdir()):
        rejected.update(import_orders(path=path, source=source, started_at=NOON, products="reject").problems)
    assert rejected == +read_dirty_rows(shop, "orders")
    assert Order.objects.count() == read_truth(shop, "customers")["orders"].sum()
    for kind in ("customers", "reviews"):
        for path in sorted((shop / kind).iterdir()):
            call_command(f"import_{kind}", path, stdout=io.StringIO(), stderr=io.StringIO())
    assert Customer.objects.count() == PLAN.customers
    assert Review.objects.count() == len(read_truth(shop, "reviews")["rating"]) > 0
    problems: Counter[str] = Counter()
    for path in sorted((shop / "events").iterdir()):
        result = import_events(path=path, source=source, received_at=NOON, errors=tmp_path / "errors.csv")
        problems.update(result.problems)
        problems["duplicates"] += result.duplicates
    planted = +read_dirty_rows(shop, "events")
    assert problems == Counter({kind: rows for kind, rows in planted.items() if kind not in ("late", "skewed")})
    assert Event.objects.filter(occurred_at__lt=PLAN.start).count() == 0
    assert Event.objects.filter(occurred_at__date__gte=PLAN.until).count() == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"customers": 0}, r"--customers 0 is not between 1 and 100,000,000\."),
        ({"products": 5}, r"--products 5 is not between 20 and 1,000,000\."),
        ({"days": 5_000}, r"--days 5000 is not between 28 and 3,650\."),
        ({"seed": -1}, r"--seed -1 is not between 0 and 4,294,967,295\."),
        (
            {"until": date(1991, 1, 1), "days": 800},
            r"begin on 1988-10-23; choose a period that begins in 1990 or later\.",
        ),
        ({"until": date(1, 1, 1)}, r"--until 0001-01-01 and --days 365 begin before the year 1; choose a period"),
    ],
)
def test_impossible_arguments_are_refused(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=message):
        call_command("simulate", to=tmp_path / "shop", **options)
    assert not (tmp_path / "shop").exists()


def test_a_folder_in_use_is_refused_without_force(shop: Path, tmp_path: Path) -> None:
    options = {
        "customers": PLAN.customers,
        "products": PLAN.products,
        "days": PLAN.days,
        "until": PLAN.until,
        "verbosity": 0,
    }
    with pytest.raises(CommandError, match=r"already contains this simulation\. Add --force"):
        call_command("simulate", to=shop, seed=PLAN.seed, **options)
    with pytest.raises(
        CommandError, match=r"has another simulation \(customers 230, .*seed 7, .*\)\. Choose a new folder"
    ):
        call_command("simulate", to=shop, seed=8, **options)
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(CommandError, match=r"is not empty\. Choose a new folder"):
        call_command("simulate", to=tmp_path, seed=8, **options)
    out = io.StringIO()
    call_command("simulate", to=tmp_path, seed=8, force=True, stdout=out, **options)
    assert "230 customers, 100 products" in out.getvalue()
    assert (tmp_path / "letter.txt").exists()
    assert len((tmp_path / "products.jsonl").read_text().splitlines()) == PLAN.products


def test_ids_of_messages_orders_and_reviews_depend_on_every_argument(tmp_path: Path) -> None:
    """Two simulations in one shop: nothing of the second is taken for a repetition of the first."""
    plan = ShopPlan(customers=60, products=40, days=28, seed=3, until=date(2026, 7, 1))
    later = replace(plan, until=date(2026, 7, 2))
    assert len({plan.fingerprint, later.fingerprint, replace(plan, seed=4).fingerprint}) == 3
    messages, orders = [], []
    for each in (plan, later):
        items = [json.loads(line) for lines in build_items(each, draw_catalog(each)) for line in lines]
        messages.append({item["messageId"] for item in items})
        orders.append({item["properties"]["order_id"] for item in items if item.get("event") == "Order Completed"})
        assert len(messages[-1]) == len(items)
        write_simulation(each, tmp_path / each.fingerprint)
    assert orders[0]
    assert not orders[0] & orders[1]
    assert not messages[0] & messages[1]
    reviews = [set(read_truth(tmp_path / each.fingerprint, "reviews")["review_id"]) for each in (plan, later)]
    assert reviews[0]
    assert not reviews[0] & reviews[1]


@pytest.mark.acceptance
@pytest.mark.django_db(transaction=True)
def test_a_shop_that_is_sent_twice_to_a_collector_is_stored_once() -> None:
    _source, key = make_keyed_source()
    plan = ShopPlan(customers=40, products=40, days=28, seed=3, until=timezone.now().date())
    options = {**asdict(plan), "write_key": key, "verbosity": 0}
    with run_web_server() as address:
        for _attempt in range(2):
            call_command("simulate", send=address, **options, stdout=io.StringIO())
            orders = Event.objects.filter(name="Order Completed")
            assert orders.count() == orders.values("message_id").distinct().count() > 40  # everyone has a first one
        # on some dates the shop has a bot, whose events the collector counts without storing them
        items = [
            line for lines in build_items(plan, draw_catalog(plan)) for line in lines if b"PriceCrawler" not in line
        ]
        assert (Event.objects.count(), RejectedEvent.objects.count()) == (len(items), 0)
        with pytest.raises(CommandError, match="401"):
            call_command("simulate", send=address, **{**options, "write_key": "wk_wrong"}, stdout=io.StringIO())
