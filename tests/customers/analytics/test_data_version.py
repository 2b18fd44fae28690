"""Every change of the data that a question reads gives it a new version, and other changes do not."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from customers.analytics.data_version import read_data_version
from customers.analytics.expressions.parameters import parse_parameters
from customers.analytics.questions.registry import get_question
from customers.analytics.results import compute_result, get_result
from customers.feedback.models import Review, SurveyAnswer
from customers.feedback.reviews import record_reviews
from customers.feedback.survey_links.answers import record_link_answer
from customers.feedback.survey_links.links import SurveyLink
from customers.lifecycle.facts.amounts import get_amount_currency
from customers.lifecycle.models import LifecycleRun, StageRules, StageTransition
from customers.segments.editing import replace_members
from customers.segments.membership import evaluate_segments
from customers.segments.models import Segment
from customers.warehouse.export import export_warehouse
from tests.makers import NOON, make_customer, make_order, make_product, make_segment

pytestmark = pytest.mark.django_db

DAY: dict[str, Any] = {"since": str(NOON.date()), "until": str(NOON.date())}
ORDERS: dict[str, Any] = {**DAY, "series": [{"event": {"name": "$order"}}]}
BY_STAGE: dict[str, Any] = ORDERS | {"breakdown": {"kind": "customer", "name": "stage"}}
LATER = NOON + timedelta(minutes=1)


def read_version(question: str, parameters: dict[str, Any]) -> str:
    kind = get_question(question)
    return str(read_data_version(question=kind, parameters=parse_parameters(kind.parameters, parameters), now=NOON))


def read_versions(**questions: tuple[str, dict[str, Any]]) -> dict[str, str]:
    return {name: read_version(*asked) for name, asked in questions.items()}


def list_changed(before: dict[str, str], after: dict[str, str]) -> list[str]:
    return [name for name in before if before[name] != after[name]]


def test_an_edited_segment_changes_only_the_questions_about_it_and_those_about_segments_that_refer_to_it() -> None:
    make_segment("buyers", {"field": "orders", "op": "gte", "value": 1})
    make_segment("referring", {"field": "segment", "op": "in", "value": ["buyers"]})
    make_segment("unrelated", {"field": "orders", "op": "gte", "value": 5})
    questions = {key: ("trends", ORDERS | {"segment": key}) for key in ("buyers", "referring", "unrelated")}
    questions["split"] = ("outcome-growth", DAY | {"segment": "buyers", "split": "segment"})
    questions["breakdown"] = ("trends", ORDERS | {"breakdown": {"kind": "segment", "name": "buyers"}})
    questions["everyone"] = ("trends", ORDERS)
    before = read_versions(**questions)
    Segment.objects.filter(key="buyers").update(condition={"field": "orders", "op": "gte", "value": 2})
    assert list_changed(before, read_versions(**questions)) == ["buyers", "referring", "split", "breakdown"]


def test_new_and_removed_members_of_a_static_segment_change_its_version() -> None:
    make_customer("ada")
    make_customer("ben")
    segment = make_segment("vip", kind=Segment.Kind.STATIC)
    asked = "trends", ORDERS | {"segment": "vip"}
    versions = [read_version(*asked)]
    for users in (["ada"], ["ada", "ben"], ["ben"], []):
        replace_members(segment=segment, user_ids=users)
        versions.append(read_version(*asked))
    assert len(set(versions)) == 5
    everyone = read_version("trends", ORDERS)
    replace_members(segment=segment, user_ids=["ada"])
    assert read_version("trends", ORDERS) == everyone


def test_recorded_entries_and_exits_change_the_version_of_a_segment_and_a_count_alone_does_not() -> None:
    make_segment("english", {"field": "language", "op": "in", "value": ["en"]})
    customer, other = make_customer(language="en"), make_customer()
    asked = "trends", ORDERS | {"segment": "english"}
    evaluate_segments(as_of=NOON)
    counted = read_version(*asked)
    evaluate_segments(as_of=LATER)
    assert read_version(*asked) == counted
    customer.language, other.language = "zh", "en"
    customer.save()
    other.save()
    evaluate_segments(as_of=LATER + timedelta(minutes=10))
    assert Segment.objects.get().size == 1
    assert read_version(*asked) != counted


def test_a_changed_cost_changes_the_questions_about_products() -> None:
    product = make_product("tea", cost=6)
    questions = {key: (key, DAY) for key in ("products", "affinity", "repeat")} | {"trends": ("trends", ORDERS)}
    before = read_versions(**questions)
    product.cost = 1
    product.save()
    assert list_changed(before, read_versions(**questions)) == ["products", "affinity", "repeat"]


def test_stage_changes_and_refreshes_change_only_the_questions_that_split_by_customer() -> None:
    questions = {
        "stage": ("trends", BY_STAGE),
        "outcome": ("outcome-growth", DAY | {"split": "stage"}),
        "everyone": ("trends", ORDERS),
        "channel": ("outcome-growth", DAY | {"split": "channel"}),
    }
    before = read_versions(**questions)
    gaps = {"second_gap_days": 40, "median_gap_days": 20, "active_gap_days": 30, "dormant_gap_days": 60}
    rules = StageRules.objects.create(version=999, measured_at=NOON, **gaps)
    StageTransition.objects.create(customer=make_customer(), to_stage="new", at=NOON, reason="first_order", rules=rules)
    moved = read_versions(**questions)
    assert list_changed(before, moved) == ["stage", "outcome"]
    LifecycleRun.objects.create(as_of=NOON, started_at=NOON, finished_at=NOON)
    assert list_changed(moved, read_versions(**questions)) == ["stage", "outcome"]


def test_replaced_and_deleted_feedback_changes_the_version_and_its_sentiment_does_not() -> None:
    asked = "outcome-satisfaction", DAY
    versions = [read_version(*asked)]
    link = SurveyLink(kind="nps", link_id="l-1", expires_at=LATER)
    make_product("tea")
    review = {"review_id": "r-1", "product_id": "tea", "rating": 5, "body": "Good"}
    for change in (
        lambda: record_link_answer(link=link, score="0", comment="", now=NOON),
        lambda: record_link_answer(link=link, score="10", comment="", now=LATER),
        lambda: SurveyAnswer.objects.all().delete(),
        lambda: record_reviews(items=[review], received_at=NOON),
        lambda: record_reviews(items=[review | {"rating": 1}], received_at=NOON),
        lambda: Review.objects.all().delete(),
    ):
        change()
        versions.append(read_version(*asked))
    assert len(set(versions)) == 7
    record_reviews(items=[review], received_at=NOON)
    last = read_version(*asked)
    assert Review.objects.update(sentiment=0.5, scored_at=LATER, reply="Thanks", is_published=False) == 1
    assert read_version(*asked) == last


def compute_current(**asked: Any) -> Any:
    """Return the state after the computation that is due."""
    pending = get_result(**asked).pending_id
    assert pending is not None
    compute_result(result_id=pending, now=asked["now"])
    return get_result(**asked)


def test_a_result_for_a_segment_is_outdated_after_an_edit_of_its_condition(settings: Any, tmp_path: Path) -> None:
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")
    make_order(make_customer(language="en"), placed_at=NOON)
    segment = make_segment("english", {"field": "language", "op": "in", "value": ["en"]})
    export_warehouse(started_at=NOON)
    asked: dict[str, Any] = {"question": "trends", "parameters": ORDERS | {"segment": "english"}, "now": LATER}
    state = compute_current(**asked)
    assert (state.is_current, state.result.lines[0].total) == (True, 1)
    segment.condition = {"field": "language", "op": "in", "value": ["fr"]}
    segment.save()
    asked["now"] = LATER + timedelta(minutes=5)
    old = get_result(**asked)
    assert old.result is not None
    assert (old.is_current, old.result.lines[0].total) == (False, 1)
    state = compute_current(**asked)
    assert (state.is_current, state.result.lines[0].total) == (True, 0)


def test_a_result_with_amounts_in_another_currency_is_not_shown(settings: Any, tmp_path: Path) -> None:
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")
    ada, tea = make_customer("ada"), make_product("tea", price=12)
    make_order(ada, placed_at=NOON, products=[tea], currency="EUR")
    make_order(ada, placed_at=NOON, products=[tea, tea], currency="USD")
    export_warehouse(started_at=NOON)
    asked: dict[str, Any] = {"question": "products", "parameters": DAY, "now": LATER}
    state = compute_current(**asked)
    assert (get_amount_currency(), state.is_current, state.result.total.revenue) == ("EUR", True, 12)
    LifecycleRun.objects.create(as_of=NOON, started_at=NOON, finished_at=NOON, currency="USD")
    before = get_result(**asked)
    assert (get_amount_currency(), before.is_current, before.result) == ("USD", False, None)
    state = compute_current(**asked)
    assert (state.is_current, state.result.total.revenue) == (True, 24)


def test_a_version_needs_one_query_and_two_more_for_segments(django_assert_num_queries: Any) -> None:
    make_segment("buyers", {"field": "orders", "op": "gte", "value": 1})
    make_segment("referring", {"field": "segment", "op": "in", "value": ["buyers"]})
    with django_assert_num_queries(1):
        read_version("trends", BY_STAGE)
    with django_assert_num_queries(3):
        read_version("trends", ORDERS | {"segment": "referring"})
