"""An export has the same products as requests, and resumes after an interruption."""

import csv
import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import DjangoAssertNumQueries

from catalog.models import Product
from customers.events.models import Event
from customers.identity.models import Consent, ConsentDenial, Customer
from customers.warehouse.export import export_warehouse
from recommendations.merchandising.models import Rule
from recommendations.merchandising.segment_members.member_writer import write_segment_members
from recommendations.serving.batch import batch_export
from recommendations.serving.batch.batch_export import ExportSummary, InvalidExportError, export_recommendations
from recommendations.serving.batch.batch_scoring import NoActiveModelError, UnsupportedPlacementError
from recommendations.serving.models import PlacementSettings
from recommendations.serving.recommend import recommend
from recommendations.serving.request import RecommendationRequest
from recommendations.serving.state import loader as loader_module
from recommendations.serving.state.loader import StateLoader
from recommendations.training.models import ModelVersion
from tests.child_processes import kill_after_output, start_child
from tests.makers import NOON, make_customer, make_product, make_segment, make_source
from tests.recommendations.order_book import OrderBook
from tests.recommendations.shop import N_CUSTOMERS, get_customer
from tests.recommendations.trainings import promote_fitted_model

type Export = Callable[..., ExportSummary]
type ExportedProducts = dict[str, list[tuple[str, str]]]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def export(target: Path, loader: StateLoader, settings: Any) -> Export:
    settings.RECOMMEND_EXPLORATION_SHARE = 0.0
    settings.RECOMMEND_DEADLINE_MS = 600_000.0

    def run(**options: Any) -> ExportSummary:
        arguments: dict[str, Any] = {
            "scenario": "for-you",
            "n": 5,
            "format": "csv",
            "path": target,
            "now": NOON,
            **options,
        }
        return export_recommendations(source=loader, **arguments)

    return run


def read_export(path: Path) -> ExportedProducts:
    """Return the products of each customer with their strategy, best first."""
    products_by_user: ExportedProducts = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            assert int(row["rank"]) == len(products_by_user.setdefault(row["user_id"], [])) + 1
            products_by_user[row["user_id"]].append((row["product_id"], row["strategy"]))
    return products_by_user


@pytest.mark.parametrize("scenario", ["for-you", "buy-again", "popular", "new"])
def test_every_customer_gets_what_a_request_would_return(
    trained: ModelVersion, export: Export, target: Path, loader: StateLoader, scenario: str
) -> None:
    Product.objects.filter(product_id__in=["tea-0", "coffee-0"]).update(stock=0)
    Product.objects.filter(product_id="cake-1").update(published_at=NOON)
    make_customer("newcomer")
    summary = export(scenario=scenario)
    products_by_user = read_export(target)
    assert (summary.customers, summary.resumed_customers, summary.model) == (len(products_by_user), 0, trained.version)
    assert summary.rows == sum(len(products) for products in products_by_user.values())
    assert products_by_user.keys() == {f"user-{person}" for person in range(N_CUSTOMERS)} | {"newcomer"}
    for user_id in ("user-0", "user-1", "user-7", "newcomer"):
        response = recommend(
            request=RecommendationRequest(scenario=scenario, user_id=user_id, n=5), now=NOON, source=loader
        )
        assert [product for product, _strategy in products_by_user[user_id]] == [
            item.product_id for item in response.items
        ]
        assert {strategy for _product, strategy in products_by_user[user_id]} == {response.strategy}


@pytest.mark.parametrize("purchased_products", ["show", "hide"])
def test_the_newest_products_are_exported_although_the_model_does_not_know_them_yet(
    trained: ModelVersion, export: Export, target: Path, loader: StateLoader, purchased_products: str
) -> None:
    PlacementSettings.objects.filter(placement="new").update(purchased_products=purchased_products)
    Product.objects.filter(product_id__in=["tea-1", "cake-1"]).update(published_at=NOON - timedelta(days=9))
    Product.objects.filter(product_id="tea-0").update(parent_id="tea-0")
    for number in range(3):
        make_product(f"launched-{number}", published_at=NOON - timedelta(hours=number + 1))
    make_product("large-tea", parent_id="tea-0", published_at=NOON - timedelta(minutes=5))
    make_product("tomorrow", published_at=NOON + timedelta(days=1))
    loader.refreshed_at = float("-inf")
    export(scenario="new")
    products_by_user = read_export(target)
    for user_id in ("user-0", "user-1", "user-7"):
        request = RecommendationRequest(scenario="new", user_id=user_id, n=5)
        response = recommend(request=request, now=NOON, source=loader)
        exported = [product for product, _strategy in products_by_user[user_id]]
        assert exported == [item.product_id for item in response.items], user_id
        assert set(exported) >= {"launched-0", "launched-1", "launched-2"}
    tea_drinker = [product for product, _strategy in products_by_user["user-0"]]
    assert ("large-tea" in tea_drinker) == (purchased_products == "show")


@pytest.fixture
def shop_with_secrets(db: None, folders: Path, valkey: Any) -> None:
    """Make a shop in which one customer alone bought two products, and a model that recommends what others bought with a product.

    One customer has bought the best sellers, and a guest has only viewed the product that was bought with the two.
    """
    for name in (*(f"common-{number}" for number in range(12)), "secret-0", "secret-1"):
        make_product(name, published_at=NOON - timedelta(days=500))
    book = OrderBook()
    for number in range(1, 12):
        book.add("common-0", f"common-{number}", times=14 - number)
    book.add("common-0", "secret-0", "secret-1", times=3, people=1)
    book.add(*(f"common-{number}" for number in range(1, 6)), times=2, people=1)
    book.save()
    make_customer("guest")
    at = NOON - timedelta(hours=2)
    Event.objects.create(
        source=make_source(), message_id="view", type="track", name="Product Viewed", occurred_at=at, received_at=at,
        product_ids=["common-0"], user_id="guest", properties={},
    )  # fmt: skip
    export_warehouse(started_at=NOON)
    promote_fitted_model("popularity", "co-purchase", weights={"popularity": 0.0, "co-purchase": 1.0})


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("n", [4, 9, 14])
def test_rare_products_are_hidden_from_guests_and_short_lists_filled_up_as_in_a_request(
    shop_with_secrets: None, export: Export, target: Path, loader: StateLoader, n: int, grouped: bool
) -> None:
    if grouped:
        Product.objects.filter(product_id__in=["common-2", "common-8"]).update(parent_id="mixed")
    export(n=n)
    products_by_user = read_export(target)
    is_filled = False
    assert len(products_by_user) > 70
    for user_id, products in products_by_user.items():
        request = RecommendationRequest(scenario="for-you", user_id=user_id, n=n)
        response = recommend(request=request, now=NOON, source=loader)
        exported = [product for product, _strategy in products]
        assert exported == [item.product_id for item in response.items], user_id
        is_filled |= any(item.score == 0 for item in response.items)
    assert is_filled
    secret = {product for product, _strategy in products_by_user["guest"][:4]} & {"secret-0", "secret-1"}
    assert not secret


@pytest.mark.parametrize("scenario", ["for-you", "popular", "buy-again"])
@pytest.mark.parametrize("share", [None, 0.5, 1.0])
def test_product_groups_and_the_limit_of_purchased_products_apply_as_in_a_request(
    trained: ModelVersion, export: Export, target: Path, loader: StateLoader, scenario: str, share: float | None
) -> None:
    PlacementSettings.objects.filter(placement__in=["for-you", "popular"]).update(max_purchased_share=share)
    Product.objects.filter(product_id__in=["tea-0", "tea-1", "coffee-2"]).update(parent_id="mixed")
    Product.objects.filter(product_id__in=["coffee-3", "coffee-4"]).update(parent_id="strong")
    export(scenario=scenario)
    products_by_user = read_export(target)
    for user_id in ("user-0", "user-1", "user-7"):
        request = RecommendationRequest(scenario=scenario, user_id=user_id, n=5)
        response = recommend(request=request, now=NOON, source=loader)
        assert [product for product, _strategy in products_by_user[user_id]] == [
            item.product_id for item in response.items
        ]
    # the popular products of a customer who has bought some of both
    everyone = {product for products in products_by_user.values() for product, _strategy in products}
    assert len(everyone) > 5


@pytest.fixture
def shop_of_four_algorithms(shop: None) -> None:
    """Make a model of four algorithms for the shop, and a customer who has only viewed a product."""
    make_customer("guest")
    at = NOON - timedelta(hours=2)
    Event.objects.create(
        source=make_source(), message_id="view", type="track", name="Product Viewed", occurred_at=at, received_at=at,
        product_ids=["tea-0"], user_id="guest", properties={},
    )  # fmt: skip
    export_warehouse(started_at=NOON)
    promote_fitted_model("popularity", "item-knn", "co-purchase", "repeat")


@pytest.mark.parametrize(
    ("scenario", "weights"),
    [
        ("for-you", {"popularity": 1.0}),
        ("for-you", {"popularity": 0.7, "item-knn": 0.3}),
        ("for-you", {"repeat": 1.0}),
        ("buy-again", {"popularity": 1.0}),
        ("popular", {"popularity": 0.5, "co-purchase": 0.5}),
    ],
)
def test_changed_weights_apply_as_in_a_request(
    shop_of_four_algorithms: None,
    export: Export,
    target: Path,
    loader: StateLoader,
    scenario: str,
    weights: dict[str, float],
) -> None:
    n = 8
    PlacementSettings.objects.filter(placement=scenario).update(weights=weights)
    export(scenario=scenario, n=n)
    products_by_user = read_export(target)
    for user_id in ("user-0", "user-1", "user-7", "guest"):
        response = recommend(
            request=RecommendationRequest(scenario=scenario, user_id=user_id, n=n), now=NOON, source=loader
        )
        assert products_by_user[user_id] == [(item.product_id, response.strategy) for item in response.items], user_id


def test_customers_without_a_history_are_ranked_by_traits(
    trained_with_tastes: ModelVersion, export: Export, target: Path, loader: StateLoader
) -> None:
    export()
    products_by_user = read_export(target)
    for user_id in ("new-tea", "new-coffee"):
        response = recommend(
            request=RecommendationRequest(scenario="for-you", user_id=user_id, n=5), now=NOON, source=loader
        )
        assert [product for product, _strategy in products_by_user[user_id]] == [
            item.product_id for item in response.items
        ]
        assert products_by_user[user_id][0][1] == response.strategy


def test_all_formats_have_the_same_content(trained: ModelVersion, export: Export, target: Path) -> None:
    export()
    products_by_user = read_export(target)
    assert export(format="jsonl").rows == export(format="parquet").rows == sum(map(len, products_by_user.values()))
    table = pq.read_table(target).to_pylist()
    assert [(row["product_id"], row["strategy"]) for row in table if row["user_id"] == "user-3"] == products_by_user[
        "user-3"
    ]
    export(format="jsonl")
    lines = {line["user_id"]: line for line in map(json.loads, target.read_text().splitlines())}
    assert [item["product_id"] for item in lines["user-3"]["items"]] == [
        product for product, _ in products_by_user["user-3"]
    ]
    assert [item["rank"] for item in lines["user-3"]["items"]] == [1, 2, 3, 4, 5]


def test_a_segment_limits_the_export_to_its_members(trained: ModelVersion, export: Export, target: Path) -> None:
    segment = make_segment("three", kind="static")
    for name in ("user-1", "user-2", "user-3"):
        segment.members.create(customer=get_customer(name))
    assert export(segment="three").customers == 3
    assert read_export(target).keys() == {"user-1", "user-2", "user-3"}


def test_erased_customers_are_left_out_and_customers_who_refused_get_popular_products(
    trained: ModelVersion, export: Export, target: Path
) -> None:
    Customer.objects.filter(pk=get_customer("user-1").pk).update(erased_at=NOON)
    ConsentDenial.objects.create(kind="user_id", value="user-2", purpose=Consent.Purpose.PERSONALISATION)
    export()
    products_by_user = read_export(target)
    assert "user-1" not in products_by_user
    assert {strategy for _product, strategy in products_by_user["user-2"]} == {"popular"}


def test_purchased_products_are_left_out_if_the_placement_hides_them(
    trained: ModelVersion, export: Export, target: Path, loader: StateLoader
) -> None:
    PlacementSettings.objects.filter(placement="for-you").update(purchased_products="hide")
    export(n=15)
    response = recommend(
        request=RecommendationRequest(scenario="for-you", user_id="user-0", n=15), now=NOON, source=loader
    )
    exported = [product for product, _strategy in read_export(target)["user-0"]]
    assert exported == [item.product_id for item in response.items]
    assert not {f"tea-{number}" for number in range(5)} & set(exported)


@pytest.mark.parametrize("scenario", ["for-you", "buy-again", "popular"])
def test_merchandising_rules_apply_as_in_a_request(
    trained: ModelVersion, export: Export, target: Path, loader: StateLoader, scenario: str
) -> None:
    segment = make_segment("few", kind="static")
    for name in ("user-1", "user-2"):
        segment.members.create(customer=get_customer(name))
    Rule.objects.create(name="hidden", action="hide", product_ids=["tea-1"])
    Rule.objects.create(name="less", action="bury", factor=Decimal("0.1"), product_ids=["tea-2", "coffee-2"])
    Rule.objects.create(name="first", action="pin", position=2, product_ids=["cake-3"], segment=segment)
    write_segment_members(as_of=NOON)
    export(scenario=scenario)
    products_by_user = read_export(target)
    for user_id in ("user-0", "user-1", "user-2", "user-3"):
        response = recommend(
            request=RecommendationRequest(scenario=scenario, user_id=user_id, n=5), now=NOON, source=loader
        )
        assert [product for product, _strategy in products_by_user[user_id]] == [
            item.product_id for item in response.items
        ]
    assert all("tea-1" not in [product for product, _strategy in products] for products in products_by_user.values())
    assert products_by_user["user-1"][1][0] == "cake-3"


@pytest.fixture
def interrupt(export: Export, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that starts an export and interrupts it after two parts of ten customers."""
    monkeypatch.setattr(batch_export, "CHUNK_SIZE", 10)

    def run(**options: Any) -> None:
        original, calls = batch_export.compute_lines, [0]

        def interrupt_third_call(*args: Any) -> Any:
            calls[0] += 1
            if calls[0] == 3:
                raise KeyboardInterrupt
            return original(*args)

        with monkeypatch.context() as context:
            context.setattr(batch_export, "compute_lines", interrupt_third_call)
            with pytest.raises(KeyboardInterrupt):
                export(**options)

    return run


def test_an_interrupted_export_resumes_to_the_same_file(
    trained: ModelVersion, export: Export, target: Path, interrupt: Callable[..., None]
) -> None:
    export()
    whole = target.read_bytes()
    target.unlink()
    interrupt()
    assert not target.exists(), "an incomplete file must not appear under the final name"
    assert export(resume=True).resumed_customers == 20
    assert target.read_bytes() == whole
    assert not target.with_name(".out.parts").exists()


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_a_resumed_export_is_as_of_now_for_customers_who_were_erased_or_refused_meanwhile(
    trained: ModelVersion,
    export: Export,
    target: Path,
    interrupt: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    format: str,
) -> None:
    monkeypatch.setattr(loader_module, "REFRESH_INTERVAL_SECONDS", -1.0)
    interrupt(format=format)
    Customer.objects.filter(pk=get_customer("user-1").pk).update(erased_at=NOON)
    ConsentDenial.objects.create(kind="user_id", value="user-2", purpose=Consent.Purpose.PERSONALISATION)
    assert export(format=format, resume=True).resumed_customers == 10, "the part without a change"
    resumed = target.read_bytes()
    export(format=format)
    if format == "parquet":  # its row groups are those of the parts
        assert pq.read_table(pa.BufferReader(resumed)).equals(pq.read_table(target))
    else:
        assert resumed == target.read_bytes()


def test_an_export_with_other_options_does_not_resume(
    trained: ModelVersion, export: Export, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_export.ExportParts, "finish", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        export()
    with pytest.raises(InvalidExportError, match=r"used different options \(n, format\)"):
        export(resume=True, n=6, format="jsonl")
    monkeypatch.undo()
    assert export(n=6).resumed_customers == 0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"scenario": "similar"}, UnsupportedPlacementError, "for-you"),
        ({"format": "xml"}, InvalidExportError, "csv, jsonl, parquet"),
        ({"n": 0}, InvalidExportError, "1 to 100"),
        ({"segment": "nobody"}, InvalidExportError, "Unknown segment 'nobody'"),
    ],
)
def test_invalid_options_are_rejected(
    trained: ModelVersion, export: Export, target: Path, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        export(**options)
    assert not target.exists()


@pytest.mark.django_db
def test_without_a_model_the_error_explains_what_to_do(valkey: Any, export: Export) -> None:
    with pytest.raises(NoActiveModelError, match="train"):
        export()


def test_queries_grow_with_chunks_and_not_with_customers(
    trained: ModelVersion,
    export: Export,
    loader: StateLoader,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    loader.get_state(now=NOON)
    loader.has_refresh_thread = True
    # the count, the audit log, the customers, their identifiers, no further customers
    with django_assert_num_queries(5):
        export()
    monkeypatch.setattr(batch_export, "CHUNK_SIZE", 20)
    with django_assert_num_queries(7):
        export()


def test_the_command_writes_the_file_and_reports_its_speed(
    trained: ModelVersion, target: Path, capfd: pytest.CaptureFixture
) -> None:
    call_command("export_recommendations", scenario="popular", n=3, format="jsonl", output=target)
    captured = capfd.readouterr()
    assert f"Wrote {N_CUSTOMERS * 3} recommendations of " in captured.out
    assert f" for {N_CUSTOMERS} customers to " in captured.out
    assert "Customers [" in captured.err
    with pytest.raises(CommandError, match="Unknown segment"):
        call_command("export_recommendations", output=target, segment="nobody")
    with pytest.raises(CommandError, match="--resume"):
        call_command("export_recommendations", output=target / "below" / "a file", verbosity=0)


@pytest.mark.acceptance
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_killed_export_resumes(
    trained: ModelVersion, folders: Path, target: Path, export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = start_child(
        f"""
import sys
from datetime import UTC, datetime
from pathlib import Path
from django.conf import settings
settings.MODELS_DIR = Path({str(folders / "models")!r})
settings.RECOMMEND_EXPLORATION_SHARE = 0.0
from recommendations.merchandising.segment_members.member_writer import write_segment_members
from recommendations.merchandising.models import Rule
from recommendations.serving.batch import batch_export
batch_export.CHUNK_SIZE = 10
original = batch_export.ExportParts.write
def write_and_wait(self, lines, *, after, digest):
    original(self, lines, after=after, digest=digest)
    print("there", flush=True)
    sys.stdin.read()
batch_export.ExportParts.write = write_and_wait
batch_export.export_recommendations(scenario="for-you", n=5, format="csv", path=Path({str(target)!r}),
                                 now=datetime(2026, 11, 24, 12, tzinfo=UTC))
"""
    )
    kill_after_output(child, "there")
    assert not target.exists()
    assert export(resume=True).resumed_customers == 10
    assert len(read_export(target)) == N_CUSTOMERS
