"""Results are stored by data version, recomputed in the background, and can be cancelled; people of a figure are listed."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from customers.analytics import results
from customers.analytics.expressions.matching import EventMatch
from customers.analytics.expressions.tables import AnalyticsTables
from customers.analytics.models import AnalyticsResult, ResultStatus
from customers.analytics.people import find_people
from customers.analytics.questions.registry import QUESTIONS, get_question
from customers.analytics.results import cancel_result, compute_result, get_result
from customers.analytics.sources import open_analytics_tables
from customers.analytics.vocabulary import get_recent_days, list_events, list_properties, list_values
from customers.identity.merging.merge import merge_customers
from customers.identity.models import Customer, Identifier
from customers.lifecycle.facts.amounts import get_amount_currency
from customers.orders.cancellation import cancel_orders
from customers.warehouse.export import export_warehouse
from tests.customers.processing.event_makers import NOW, process, product, send, track
from tests.makers import make_customer, make_order, make_product

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
VIEW, ADD = "Product Viewed", "Product Added"


@pytest.fixture(autouse=True)
def _warehouse(settings: Any, tmp_path: Path, db: None) -> None:
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")


def send_event(name: str, minutes: int, **ids: str) -> None:
    at = NOW + minutes * MINUTE
    send(track(name, product(), timestamp=at.isoformat(), **ids), at=at)


def make_parameters() -> dict[str, Any]:
    day = NOW.date()
    return {
        "since": str(day - timedelta(days=3)),
        "until": str(day),
        "steps": [{"meaning": "view"}, {"meaning": "cart"}],
    }


def read_state(**changes: Any) -> Any:
    return get_result(**{"question": "funnel", "parameters": make_parameters(), "now": NOW + HOUR, **changes})


def compute_pending(state: Any, **changes: Any) -> None:
    compute_result(**{"result_id": state.pending_id, "now": NOW + HOUR, **changes})


def test_a_result_is_computed_once_for_each_version_of_the_data() -> None:
    send_event(VIEW, 0, anonymousId="a")
    send_event(ADD, 1, anonymousId="a")
    send_event(VIEW, 2, anonymousId="b")
    process(NOW + 5 * MINUTE)
    state = read_state()
    assert (state.result, state.is_current) == (None, False)
    assert read_state().pending_id == state.pending_id
    compute_pending(state)
    state = read_state()
    assert [step.people for step in state.result.steps] == [2, 1]
    assert (state.is_current, state.pending_id, state.as_of) == (True, None, NOW + HOUR)
    assert state.duration_seconds >= 0
    send_event(ADD, 30, anonymousId="b")
    process(NOW + 31 * MINUTE)
    assert read_state().pending_id is None, "not again within two minutes"
    later = read_state(now=NOW + HOUR + 5 * MINUTE)
    assert (later.is_current, later.result.converted) == (False, 1)
    compute_pending(later, now=NOW + HOUR + 5 * MINUTE)
    assert read_state(now=NOW + HOUR + 6 * MINUTE).result.converted == 2
    assert AnalyticsResult.objects.count() == 1


def test_the_people_of_a_figure_are_customers_after_merges_and_without_the_erased() -> None:
    for minute, name in enumerate("abc"):
        send_event(VIEW, minute, anonymousId=name)
        send_event(ADD, minute + 5, anonymousId=name)
    send_event(VIEW, 9, anonymousId="d")
    process(NOW + 10 * MINUTE)
    export_warehouse(started_at=NOW + 20 * MINUTE)
    ids = {row.value: row.customer_id for row in Identifier.objects.all()}
    merge_customers(pairs=[(ids["a"], ids["b"])], causes=["test"], at=NOW + 30 * MINUTE)
    Customer.objects.filter(pk=ids["c"]).update(erased_at=NOW + 30 * MINUTE)
    people = find_people(question="funnel", parameters=make_parameters(), selection={"step": 2}, now=NOW + HOUR)
    assert people.customer_ids == [ids["a"]]
    people = find_people(
        question="funnel", parameters=make_parameters(), selection={"step": 2, "is_dropped": True}, now=NOW + HOUR
    )
    assert (people.count, people.customer_ids) == (1, [ids["d"]])


def test_a_cancelled_computation_is_not_repeated_unless_it_is_forced() -> None:
    send_event(VIEW, 0, anonymousId="a")
    process(NOW + 5 * MINUTE)
    state = read_state()
    assert cancel_result(result_id=state.pending_id, now=NOW + HOUR)
    compute_pending(state)
    assert AnalyticsResult.objects.get().status == ResultStatus.CANCELLED
    state = read_state(now=NOW + 2 * HOUR)
    assert (state.is_cancelled, state.pending_id) == (True, None)
    assert read_state(now=NOW + 2 * HOUR, is_forced=True).pending_id is not None


def test_a_running_computation_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    state = read_state()
    question = get_question("funnel")

    def run_forever(tables: AnalyticsTables, parameters: Any) -> None:
        cancel_result(result_id=state.pending_id, now=NOW + HOUR)
        tables.backend.raw_sql("SELECT count(*) FROM range(1000000000000) AS a(x) WHERE x % 7 = sqrt(x)")

    monkeypatch.setitem(QUESTIONS, "funnel", replace(question, run=run_forever))
    compute_pending(state)
    assert read_state().is_cancelled


def test_an_error_is_stored_and_shown() -> None:
    state = read_state(parameters=make_parameters() | {"segment": "unknown"})
    compute_pending(state)
    state = read_state(parameters=make_parameters() | {"segment": "unknown"})
    assert "there is no segment 'unknown'" in state.error
    assert state.pending_id is None


def test_a_question_that_the_job_queue_does_not_take_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "start_task", lambda *_args: False)
    results._queue(read_state().pending_id, now=NOW)
    state = read_state()
    assert (state.error, state.pending_id) == ("The job queue did not respond. Try again.", None)


def test_a_result_that_cannot_be_stored_is_an_error_and_the_last_one_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    compute_pending(read_state())
    state = read_state(is_forced=True)
    not_json = replace(get_question("funnel"), run=lambda tables, parameters: {"converted": float("nan")})
    monkeypatch.setitem(QUESTIONS, "funnel", not_json)
    compute_pending(state)
    row = AnalyticsResult.objects.get()
    assert (row.status, row.finished_at is not None) == (ResultStatus.FAILED, True)
    state = read_state()
    assert "NaN" in state.error
    assert (state.pending_id, state.result.converted) == (None, 0)


def test_events_properties_and_values_are_offered_with_their_counts() -> None:
    send_event(VIEW, 0, anonymousId="a")
    send_event(VIEW, 1, anonymousId="b")
    process(NOW + 5 * MINUTE)
    days = get_recent_days(now=NOW)
    with open_analytics_tables(as_of=NOW + HOUR) as tables:
        events = list_events(tables, days)
        assert [(event.name, event.meaning, event.events, event.people) for event in events] == [(VIEW, "view", 2, 2)]
        names = {choice.name: choice.events for choice in list_properties(tables, days, EventMatch(name=VIEW))}
        assert names["product_id"] == 2
        values = list_values(tables, days, EventMatch(name=VIEW), "product_id")
        assert [(value.value, value.events) for value in values] == [("tea", 2)]


def test_amounts_are_in_the_currency_in_which_the_pages_state_them(settings: Any) -> None:
    settings.SHOP_CURRENCY = "USD"  # which no order has
    ada, tea = make_customer("ada"), make_product("tea", price=12)
    make_order(ada, placed_at=NOW, products=[tea], currency="EUR")
    export_warehouse(started_at=NOW)
    days = {name: value for name, value in make_parameters().items() if name != "steps"}
    state = read_state(question="products", parameters=days)
    compute_pending(state)
    result = read_state(question="products", parameters=days).result
    assert (get_amount_currency(), result.total.units, result.total.revenue) == ("EUR", 1, 12)


def test_the_margin_leaves_out_products_whose_cost_is_in_another_currency(settings: Any) -> None:
    settings.SHOP_CURRENCY = "USD"
    foreign = make_product("foreign", price=10_000, cost=6_000, currency="JPY")
    local = make_product("local", price=100, cost=60, currency="USD")
    unpriced = make_product("unpriced", price=None, cost=5, currency="")
    order = make_order(make_customer(), placed_at=NOW, products=[foreign, local, unpriced], currency="USD")
    order.lines.filter(product=foreign).update(total=70)
    order.lines.filter(product=unpriced).update(total=20)
    export_warehouse(started_at=NOW)
    days = {name: value for name, value in make_parameters().items() if name != "steps"}
    compute_pending(read_state(question="products", parameters=days))
    result = read_state(question="products", parameters=days).result
    assert {row.name: (row.revenue, row.margin) for row in result.rows} == {
        "foreign": (70, None),
        "local": (100, 40),
        "unpriced": (20, 15),
    }
    assert (result.total.revenue, result.total.covered_revenue, result.total.margin) == (190, 120, 55)


def test_orders_count_as_events() -> None:
    order = make_order(make_customer(), placed_at=NOW)
    parameters = {
        "since": "2020-01-01",
        "until": str(NOW.date()),
        "series": [{"event": {"name": "$order"}}],
        "interval": "month",
    }
    state = read_state(question="trends", parameters=parameters | {"since": str(NOW.date())})
    export_warehouse(started_at=NOW)
    compute_pending(state)
    state = read_state(question="trends", parameters=parameters | {"since": str(NOW.date())})
    assert state.error == ""
    assert state.result.lines[0].values == (1.0,)
    assert order.pk


def test_a_result_from_before_the_first_export_is_not_shown_after_it() -> None:
    make_order(make_customer(), placed_at=NOW)
    parameters = {"since": str(NOW.date()), "until": str(NOW.date()), "series": [{"event": {"name": "$order"}}]}
    compute_pending(read_state(question="trends", parameters=parameters))
    assert read_state(question="trends", parameters=parameters).result.lines[0].total == 0
    export_warehouse(started_at=NOW)
    state = read_state(question="trends", parameters=parameters)
    assert state.result is None
    compute_pending(state)
    assert read_state(question="trends", parameters=parameters).result.lines[0].total == 1


def test_a_cancelled_order_makes_results_outdated() -> None:
    order = make_order(make_customer(), placed_at=NOW, order_id="o-1")
    export_warehouse(started_at=NOW)
    parameters = {"since": str(NOW.date()), "until": str(NOW.date()), "series": [{"event": {"name": "$order"}}]}
    compute_pending(read_state(question="trends", parameters=parameters))
    state = read_state(question="trends", parameters=parameters)
    assert (state.is_current, state.result.lines[0].total) == (True, 1)
    cancel_orders(source=order.source, order_ids=["o-1"], at=NOW)
    later = NOW + 2 * HOUR
    state = read_state(question="trends", parameters=parameters, now=later)
    assert not state.is_current
    compute_pending(state, now=later)
    assert read_state(question="trends", parameters=parameters, now=later).result.lines[0].total == 0
