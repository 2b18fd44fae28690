import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from config.foundation.database.advisory_locks import exclusive_lock
from customers.warehouse.export import export_warehouse
from recommendations.training.backoffice import pages
from recommendations.training.backoffice.shop_follow_up import read_training_state
from recommendations.training.models import EvaluationRun, ModelVersion
from recommendations.training.runs import TRAINING_LOCK
from recommendations.training.train import train
from tests.makers import NOON, make_customer, make_order, make_product

LIST = "admin:training_modelversion_changelist"


@pytest.fixture
def operator(client: Client, db: None) -> Client:
    client.force_login(get_user_model().objects.create_superuser("eve", password="-"))
    return client


@pytest.fixture
def running(db: None) -> Iterator[EvaluationRun]:
    with exclusive_lock(TRAINING_LOCK):
        yield EvaluationRun.objects.create(started_at=NOON, step="repeat", percent=40)


def test_the_record_of_a_killed_training_does_not_count_as_running(operator: Client) -> None:
    run = EvaluationRun.objects.create(started_at=NOON, step="repeat", percent=40)
    assert "Train now" in operator.get(reverse(LIST)).content.decode()
    assert pages.describe_progress(run, at=NOON + timedelta(hours=1))["running"] is False
    assert read_training_state(NOON).status == "failed"
    runs = operator.get(reverse("admin:training_evaluationrun_changelist"), headers={"accept-language": "en"})
    assert re.search(r"field-shown_status[^>]*>[^<]*failed", runs.content.decode())


def read_card(client: Client, version: ModelVersion, **query: str) -> str:
    page = client.get(
        reverse("admin:training_modelversion_change", args=[version.pk]), query, headers={"accept-language": "en"}
    )
    assert page.status_code == 200
    return page.content.decode()


def test_the_card_shows_everything_that_was_evaluated(operator: Client, trained: ModelVersion) -> None:
    page = read_card(operator, trained)
    for heading in (
        "Model card",
        "Known limits",
        "By segment",
        "Popularity bias",
        "Algorithms in the model",
        "Trials",
    ):
        assert heading in page
    assert "First version:" in page
    assert "5 or more purchases" in page
    assert "Infinity" not in page
    assert "NaN" not in page


def test_the_card_is_complete_in_chinese(operator: Client, trained: ModelVersion) -> None:
    address = reverse("admin:training_modelversion_change", args=[trained.pk])
    page = operator.get(address, headers={"accept-language": "zh-hans"}).content.decode()
    for words in ("模型卡", "已知局限", "按分组", "热门偏差", "模型中的算法", "试验", "首个版本："):
        assert words in page


def test_the_card_shows_figures_of_new_products_or_that_there_are_none(operator: Client, trained: ModelVersion) -> None:
    assert "No customer bought a new product after the split, so there are no metrics for new products." in read_card(
        operator, trained
    )
    run = trained.evaluations.get()
    figure = {metric: {"value": 0.1234, "low": 0.1, "high": 0.2} for metric in ("recall@10", "ndcg@10")}
    counts = {"new": 9, "wanted": 7, "people": 31, "figures": {"category-popularity": {"new": figure, "all": figure}}}
    run.cold_start = {"products": counts}
    run.save()
    page = read_card(operator, trained)
    assert "31 customers bought 7 of the 9 products that had no interactions before the split." in page
    assert "Popularity within the category" in page
    assert page.count("0.1234") == 4


def test_the_card_shows_for_every_placement_whether_and_why_it_is_active(
    operator: Client, trained: ModelVersion
) -> None:
    run = trained.evaluations.get()
    sides = {side: {"value": 0.2, "low": 0.1, "high": 0.3} for side in ("own", "fallback", "difference")}
    figures = {"queries": 80, "people": 40, **dict.fromkeys(("ndcg@10", "hit_rate@10", "precision@10"), sides)}
    why = {"code": "place_no_better", "values": {"fallback": "popular", "difference": 0.2, "low": -0.1, "high": 0.3}}
    cart = run.scenarios["cart"] | {"on": False, "why": why, "weights": {"co-purchase": 1.0}, "fallback": "popular"}
    cart["figures"] = figures | {
        "question": "rest_of_basket",
        "comparisons": {"from:1790000000": figures},
        "validation": None,
    }
    run.scenarios = {"rank": run.scenarios["rank"], "cart": cart, "similar": run.scenarios["similar"]}
    run.save()
    page = read_card(operator, trained).split('id="placements"')[1].split("</section>")[0]
    names = [page.index(name) for name in ("Similar products", "Goes with your cart", "Ranked list")]
    assert names == sorted(names)
    assert "Inactive: not significantly better than “Popular” on the test period (+0.2000, -0.1000 to +0.3000)" in page
    assert "80 queries from 40 customers" in page
    assert "Bought together 1.00" in page
    assert "0.2000" in page
    assert "from Sep 21, 2026" in page
    assert "Is not shown, because it is not reliably better than “Popular”" in page
    assert reverse("admin:serving_placementsettings_changelist") in page, "how to show it anyway"


def test_a_version_without_evaluated_placements_has_a_card_without_them(
    operator: Client, trained: ModelVersion
) -> None:
    trained.evaluations.update(scenarios={})
    assert 'id="placements"' not in read_card(operator, trained)


def test_the_pages_of_a_version_whose_test_customers_bought_only_known_products_have_no_figures(
    operator: Client, shortest_trainings: None, valkey: redis.Redis
) -> None:
    products = [make_product(name, description=f"{name} from the hills") for name in "abcdef"]
    customers = [make_customer(f"user-{number}") for number in range(6)]
    for number, customer in enumerate(customers):
        for days in (28 - number, 12 + number):
            make_order(customer, placed_at=NOON - timedelta(days=days), products=products[number % 3 : number % 3 + 2])
    # the last four days are the test part, the four days before them the validation part
    make_order(customers[0], placed_at=NOON - timedelta(days=6), products=[products[5]])
    make_order(customers[1], placed_at=NOON - timedelta(days=2), products=[products[1]])
    export_warehouse(started_at=NOON)
    version = train(as_of=NOON, started_at=NOON)
    assert (version.metrics["ndcg@10"]["value"], version.status) == (None, ModelVersion.Status.ACTIVE)
    page = read_card(operator, version)
    assert "evaluation-chart" not in page
    assert "This is the maximum cost of exploration" not in page
    assert operator.get(reverse(LIST)).status_code == 200


def test_trials_can_be_sorted(operator: Client, trained: ModelVersion) -> None:
    run = trained.evaluations.get()
    # a busy machine may finish a single trial within the time of the training
    run.tried = [{**run.tried[0], "value": value} for value in (0.1, 0.3, 0.2)]
    run.save()
    values = [row["value"] for row in run.tried]
    descending, ascending = read_card(operator, trained), read_card(operator, trained, tried="value")
    best, worst = f"{max(values):.4f}", f"{min(values):.4f}"
    assert best != worst

    def get_first_value(page: str) -> str:
        table = page.split('class="home-table trials"')[1].split("<tbody>")[1]
        return table.split("<td>")[1].split("</td>")[0]

    assert get_first_value(descending) == best
    assert get_first_value(ascending) != best
    assert read_card(operator, trained, tried="nonsense")


def test_a_version_without_a_training_run_has_a_page(operator: Client) -> None:
    version = ModelVersion.objects.create(version="old", algorithm="blend", as_of=NOON, created_at=NOON)
    assert "Model card" not in read_card(operator, version)


def test_a_training_starts_from_the_list(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []
    monkeypatch.setattr(pages.train_nightly, "apply_async", lambda *_args, **_options: started.append(True))
    assert "Train now" in operator.get(reverse(LIST)).content.decode()
    assert operator.get(reverse("admin:training_start")).status_code == 405
    assert operator.post(reverse("admin:training_start")).status_code == 302
    assert started == [True]
    page = operator.get(reverse(LIST)).content.decode()
    assert ("Training is waiting for a worker" in page, "Train now" in page) == (True, False)
    EvaluationRun.objects.create(started_at=timezone.now(), status="failed", error="No data.")
    assert "Train now" in operator.get(reverse(LIST)).content.decode()


def test_a_running_training_shows_its_progress_and_can_be_cancelled(operator: Client, running: EvaluationRun) -> None:
    page = operator.get(reverse(LIST)).content.decode()
    assert 'value="40"' in page
    progress = operator.get(reverse("admin:training_progress", args=[running.pk])).json()
    assert (progress["running"], progress["percent"]) == (True, 40)
    assert "tuning parameters" in progress["text"]
    operator.post(reverse("admin:training_cancel", args=[running.pk]))
    running.refresh_from_db()
    assert running.cancel_requested_at is not None
    assert "Canceling…" in operator.get(reverse(LIST)).content.decode()


def test_a_second_training_does_not_start_while_one_is_running(
    operator: Client, running: EvaluationRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages.train_nightly, "apply_async", lambda *_args, **_options: pytest.fail("started"))
    assert operator.post(reverse("admin:training_start"), follow=True).status_code == 200


def test_a_user_with_view_permission_can_neither_start_nor_cancel(client: Client, running: EvaluationRun) -> None:
    from django.contrib.auth.models import Permission

    reader = get_user_model().objects.create_user("ann", password="-", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_modelversion"))
    client.force_login(reader)
    page = client.get(reverse(LIST))
    assert page.status_code == 200
    assert "training-run" not in page.content.decode()
    assert client.post(reverse("admin:training_start")).status_code == 403
    assert client.post(reverse("admin:training_cancel", args=[running.pk])).status_code == 403
    assert client.get(reverse("admin:training_progress", args=[running.pk])).status_code == 200
