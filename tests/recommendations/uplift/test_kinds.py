"""Which campaigns, flows and offers are actions, who could get them, and how one of them is chosen."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.db import DataError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from config.foundation.array_types import Floats
from customers.identity.models import Customer, Identifier
from customers.segments.membership import query_matching
from customers.segments.models import Segment, SegmentMember
from recommendations.flows.models import Flow, FlowEntry
from recommendations.measurement.models import Assignment
from recommendations.offers.models import Offer, OfferExposure
from recommendations.uplift.choosing import REASONS, choose_actions, store_actions
from recommendations.uplift.features import FEATURES
from recommendations.uplift.kinds.action_kind import PastAction, Pool
from recommendations.uplift.kinds.flow import list_past_flows
from recommendations.uplift.kinds.offer import list_past_offers
from recommendations.uplift.models import CustomerAction, UpliftSettings
from recommendations.uplift.past_customers import read_past_customers, share_rows
from recommendations.uplift.scoring import (
    ActionCandidate,
    ActionScores,
    PoolScores,
    compute_reach,
    list_allowed_ids,
    score_block,
)
from recommendations.uplift.training import EffectGroup, EffectModel, find_thresholds
from tests.makers import NOON, make_customer, make_identifier
from tests.recommendations.flows.makers import make_live_flow, make_template
from tests.recommendations.offers.makers import make_offer

LONG_AGO = NOON - timedelta(days=60)


def make_people(*names: str) -> list[Customer]:
    return [make_customer(name) for name in names]


def list_allowed(action: PastAction) -> list[int]:
    allowed = list_allowed_ids(action, NOON)
    return [] if allowed is None else allowed.tolist()


@pytest.mark.django_db
def test_a_flow_that_starts_from_a_segment_is_an_action_for_those_in_it() -> None:
    treated, held_out, inside, free, outside = make_people("treated", "held", "inside", "free", "outside")
    segment = Segment.objects.create(key="late", name="Late", kind=Segment.Kind.STATIC)
    SegmentMember.objects.bulk_create(
        SegmentMember(segment=segment, customer=person) for person in (treated, held_out, inside, free)
    )
    make_template(channel="webhook")
    flow = make_live_flow(
        [{"key": "hello", "kind": "webhook", "template": "hello"}],
        trigger={"kind": "segment", "segment": "late", "direction": "entered"},
        reentry={"rule": "never"},
    )
    Flow.objects.update(holdout_share=Decimal("0.0001"))  # nobody else is held out
    assign(flow, treated, is_held_out=False)
    assign(flow, held_out, is_held_out=True)
    FlowEntry.objects.create(
        flow=flow,
        version=flow.versions.get(),
        customer_id=inside.pk,
        triggered_at=LONG_AGO,
        entered_at=LONG_AGO,
        status=FlowEntry.Status.COMPLETED,
        step_key="hello",
        due_at=LONG_AGO,
    )
    (action,) = list_past_flows(NOON)
    assert (action.key, action.size, action.pool) == (flow.key, 2, Pool.MESSAGE)
    members = read_past_customers([action.members])
    assert dict(zip(members.customer.tolist(), members.treated.tolist(), strict=True)) == {
        treated.pk: True,
        held_out.pk: False,
    }
    assert list_allowed(action) == [treated.pk, free.pk]
    assert outside.pk not in list_allowed(action)
    Flow.objects.update(status=Flow.Status.PAUSED)
    (paused,) = list_past_flows(NOON)
    assert list_allowed_ids(paused, NOON) is None


def assign(flow: Flow, person: Customer, *, is_held_out: bool) -> None:
    Assignment.objects.create(
        kind="flow",
        scope_id=flow.pk,
        customer_id=person.pk,
        is_held_out=is_held_out,
        holdout_share=0.1,
        assigned_at=LONG_AGO,
    )


@pytest.mark.django_db
def test_a_flow_that_reacts_to_an_event_is_no_action() -> None:
    make_template(channel="webhook")
    flow = make_live_flow([{"key": "hello", "kind": "webhook", "template": "hello"}])
    assign(flow, make_customer(), is_held_out=True)
    assert list_past_flows(NOON) == []


@pytest.mark.django_db
def test_a_running_offer_is_an_action_for_those_who_are_not_held_out() -> None:
    shown, held_out, free = make_people("shown", "held", "free")
    Customer.objects.create()  # without a device or user ID, who cannot visit
    offer = make_offer("sale", holdout_share=Decimal("0.0001"), started_at=LONG_AGO)
    expose(offer, shown, "shown")
    expose(offer, held_out, "held_out")
    (action,) = list_past_offers(NOON)
    assert (action.key, action.size, action.pool) == ("sale", 2, Pool.OFFER)
    members = read_past_customers([action.members])
    assert sorted(zip(members.customer.tolist(), members.treated.tolist(), strict=True)) == [
        (shown.pk, True),
        (held_out.pk, False),
    ]
    assert members.propensity.tolist() == [0.5, 0.5]  # the share of those who were held out
    with CaptureQueriesContext(connection):  # also with the cursor of debugging
        assert list_allowed(action) == [shown.pk, free.pk]
    Offer.objects.update(ends_at=NOON - timedelta(days=1))
    (ended,) = list_past_offers(NOON)
    assert list_allowed_ids(ended, NOON) is None


@pytest.mark.django_db
def test_an_offer_counts_new_visitors_whose_device_belongs_to_a_customer_now() -> None:
    shown, held_out = make_people("shown", "held")
    offer = make_offer("sale", holdout_share=Decimal("0.0001"), started_at=LONG_AGO)
    for person, arm in ((shown, "shown"), (held_out, "held_out")):
        expose(offer, None, arm, anonymous_id=arm)
        make_identifier(person, arm, kind=Identifier.Kind.ANONYMOUS_ID)
    expose(offer, held_out, "shown", decided_at=LONG_AGO + timedelta(hours=1))
    expose(offer, None, "held_out", anonymous_id="nobody")
    (action,) = list_past_offers(NOON)
    members = read_past_customers([action.members])
    assert dict(zip(members.customer.tolist(), members.treated.tolist(), strict=True)) == {
        shown.pk: True,
        held_out.pk: False,
    }
    assert (action.size, set(members.propensity.tolist())) == (2, {0.5})
    assert list_allowed(action) == [shown.pk]


def expose(offer: Offer, person: Customer | None, arm: str, **fields: Any) -> None:
    values = {"exposure_id": uuid4(), "decided_at": LONG_AGO, **fields}
    OfferExposure.objects.create(offer=offer, arm=arm, customer=person, **values)


def make_scores(message: list[float], offer: list[float]) -> ActionScores:
    """Return scores with a candidate of each pool; NaN where it is not possible."""

    def build(margin: list[float], number: int) -> PoolScores:
        values = np.array(margin)
        low, high = values - 1, values + 1
        return PoolScores(np.where(np.isnan(values), -1, number), values, low, high, values, low, high)

    pools = {Pool.MESSAGE: build(message, 0), Pool.OFFER: build(offer, 1)}
    unknown = np.full(len(message), np.nan)
    return ActionScores(np.arange(len(message)), pools, unknown, unknown, unknown)


def test_the_action_with_the_largest_margin_above_its_cost_is_chosen() -> None:
    nothing = float("nan")
    scores = make_scores(
        message=[2.0, 2.0, 0.4, -1.5, nothing, nothing, 5.0, -0.5],
        offer=[nothing, 1.8, nothing, nothing, 0.1, nothing, 0.2, nothing],
    )
    settings = UpliftSettings(contact_cost=Decimal("0.5"), exploration_share=0, max_customers=2)
    choice = choose_actions(scores, settings=settings, seed=1)
    # the message to the second customer adds less to the offer than it costs
    assert choice.candidate.tolist() == [0, 1, -1, -1, 1, -1, 0, -1]
    assert [REASONS[code] for code in choice.reason] == [
        "largest_increment",
        "largest_increment_offer",
        "below_cost",
        "lowers_orders",
        "largest_increment_offer",
        "no_action",
        "largest_increment",
        "negative_estimate",  # its interval, of one above and below, contains 0
    ]
    assert choice.margin[:5].tolist() == [2.0, 1.8, 0.4, -1.5, 0.1]
    assert choice.figures["chosen"] == 2
    assert choice.figures["offers"] == 2
    # with a budget for one contact, the other customer gets the offer or nothing
    settings = UpliftSettings(contact_cost=Decimal("0.5"), exploration_share=0, max_customers=1)
    tight = choose_actions(scores, settings=settings, seed=1)
    assert tight.candidate.tolist() == [-1, 1, -1, -1, 1, -1, 0, -1]
    assert REASONS[tight.reason[0]] == "over_budget"


def test_only_a_limit_is_given_as_the_reason_of_too_few_contacts() -> None:
    scores = make_scores(message=[3.0, 2.5, 2.0, 1.5, *[0.1] * 6], offer=[float("nan")] * 10)

    def count_reasons(**limits: Any) -> dict[str, int]:
        settings = UpliftSettings(contact_cost=Decimal("0.5"), exploration_share=Decimal("0.5"), **limits)
        choice = choose_actions(scores, settings=settings, seed=1)
        return dict(Counter(REASONS[code] for code in choice.reason[:4]))

    assert count_reasons() == {"largest_increment": 2, "displaced": 2}
    assert count_reasons(max_customers=2) == {"largest_increment": 1, "displaced": 1, "over_budget": 2}


def test_an_offer_counts_by_the_probability_of_a_visit() -> None:
    action: Any = PastAction("offer", Pool.OFFER, 1, "sale", "Sale", Any, 1, lambda _at: None)
    matrix = np.zeros((3, 12))
    matrix[:, 7] = [0, 9, 90]
    np.testing.assert_allclose(compute_reach(action, matrix), 1 - np.exp([0, -0.7, -7]))


def test_small_actions_are_read_whole() -> None:
    assert share_rows(np.array([1000.0, 10.0, 500.0]), 600).tolist() == [295.0, 10.0, 295.0]
    assert share_rows(np.array([100.0, 10.0]), 600).tolist() == [100.0, 10.0]


@pytest.mark.django_db
def test_a_job_that_dies_while_it_writes_keeps_the_actions_and_the_next_one_replaces_them() -> None:
    people = make_people("a", "b", "c")
    scores = replace(make_scores([2.0, -1.0, 3.0], [0.0] * 3), customer=np.array([person.pk for person in people]))
    choice = choose_actions(scores, settings=UpliftSettings(exploration_share=0), seed=1)
    store_actions(scores, choice, [make_candidate("autumn")], as_of=NOON)
    Customer.objects.filter(pk=people[2].pk).update(erased_at=NOON)
    with pytest.raises(DataError):  # after some rows were written
        store_actions(scores, choice, [make_candidate("x" * 101)], as_of=NOON + timedelta(days=1))
    assert dict(CustomerAction.objects.values_list("customer_id", "key")) == {
        people[0].pk: "autumn",
        people[1].pk: "",
        people[2].pk: "autumn",
    }
    store_actions(scores, choice, [make_candidate("winter")], as_of=NOON + timedelta(days=1))
    assert dict(CustomerAction.objects.values_list("customer_id", "key")) == {people[0].pk: "winter", people[1].pk: ""}


def read_versions() -> dict[int, tuple[Any, ...]]:
    """Return where the row of each customer is stored and which transaction wrote it; both change with every write."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT customer_id, ctid::text, xmin::text FROM uplift_customeraction")
        return {customer_id: tuple(version) for customer_id, *version in cursor.fetchall()}


@pytest.mark.django_db
def test_actions_that_stay_the_same_are_not_written_again() -> None:
    people = [person.pk for person in make_people("a", "b", "c", "d")]
    margins = [2.0, -1.0, np.nan, 3.0]
    scores = replace(make_scores(margins, [0.0] * 4), customer=np.array(people))
    settings = UpliftSettings(exploration_share=0)
    store_actions(scores, choose_actions(scores, settings=settings, seed=1), [make_candidate("autumn")], as_of=NOON)
    before, night = read_versions(), NOON + timedelta(days=1)
    changed = replace(make_scores([5.0, *margins[1:]], [0.0] * 4), customer=np.array(people))
    Customer.objects.filter(pk=people[3]).update(erased_at=night)
    choice = choose_actions(changed, settings=settings, seed=1)
    store_actions(changed, choice, [make_candidate("autumn")], as_of=night)
    after = read_versions()
    assert {person: after[person] for person in people[1:3]} == {person: before[person] for person in people[1:3]}
    assert (after[people[0]] == before[people[0]], people[3] in after) == (False, False)
    assert CustomerAction.objects.get(pk=people[0]).expected_margin == 5


class FirstColumn:
    """Predicts the first feature."""

    def predict(self, matrix: Floats) -> Floats:
        return matrix[:, 0]


def test_the_measured_effect_of_a_group_replaces_predictions_outside_its_interval() -> None:
    groups = [EffectGroup(100, -0.05, -0.04, -0.06, 0.01), EffectGroup(100, 0.2, -0.1, -0.15, -0.05)]
    model = EffectModel(FirstColumn(), np.array([0.1]), groups, {})
    effect, low, high = model.predict(np.array([[-0.05], [0.05], [0.2]]))
    assert effect.tolist() == [-0.05, -0.04, -0.1]
    assert low.tolist() == [-0.06, -0.06, -0.15]
    assert high.tolist() == [0.01, 0.01, -0.05]


def test_groups_are_divided_halfway_between_predictions() -> None:
    effect = np.repeat([-0.2, 0.0, 0.3], 100)
    effect[:50] += 1e-16  # rounding divides no group
    np.testing.assert_allclose(find_thresholds(effect), [-0.1, 0.15])
    assert find_thresholds(np.full(9, 0.1)).tolist() == []


@pytest.mark.django_db
def test_effect_and_margin_of_a_message_come_from_the_same_model(client: Client, admin_user: User) -> None:
    people = make_people("certain", "uncertain", "impossible")
    numbers = np.array([person.pk for person in people])
    general = EffectModel(FirstColumn(), np.array([]), [EffectGroup(100, -0.08, -0.08, -0.09, -0.07)], {})
    groups = [EffectGroup(100, 0.05, 0.05, -0.1, 0.15), EffectGroup(100, 0.2, 0.2, 0.1, 0.3)]
    own = EffectModel(FirstColumn(), np.array([0.1]), groups, {})
    candidate = replace(make_candidate("autumn"), model=own, margin=10.0, allowed=np.sort(numbers[:2]))
    matrix = np.zeros((3, len(FEATURES)))
    matrix[:, 0] = [0.2, 0.05, -0.08]
    scores = score_block(numbers, matrix, general, [candidate])
    choice = choose_actions(scores, settings=UpliftSettings(exploration_share=0), seed=1)
    assert [choice.figures[f"expected_{name}"] for name in ("low", "margin", "high")] == [0.0, 2.5, 4.5]
    store_actions(scores, choice, [candidate], as_of=NOON)
    figures = ("kind", "expected_margin", "low", "high", "effect", "message_effect")
    stored = {row[0]: row[1:] for row in CustomerAction.objects.values_list("customer_id", *figures)}
    assert stored == {
        people[0].pk: ("campaign", 2.0, 1.0, 3.0, 0.2, "positive"),
        people[1].pk: ("campaign", 0.5, -1.0, 1.5, 0.05, "none"),
        people[2].pk: ("none", None, None, None, -0.08, "negative"),
    }
    client.force_login(admin_user)
    pages = [client.get(reverse("admin:lifecycle_customer", args=[person.pk])).content.decode() for person in people]
    assert ["The expected margin is not reliable yet." in page for page in pages] == [False, True, False]


def make_candidate(key: str) -> ActionCandidate:
    action: Any = PastAction("campaign", Pool.MESSAGE, 1, key, key, Any, 1, lambda _at: None)
    return ActionCandidate(action, Any, 1.0, np.empty(0, np.int64))


@pytest.mark.django_db
def test_the_action_is_named_over_rest_on_the_page_of_the_customer_and_in_conditions(
    client: Client, admin_user: User
) -> None:
    flow, offer = Flow.objects.create(key="same", name="Win back"), make_offer("same")
    people = make_people("flow", "offer", "nothing")
    for person, kind, key in zip(people, ("flow", "offer", "none"), ("same", "same", ""), strict=True):
        CustomerAction.objects.create(
            customer=person, kind=kind, key=key, expected_margin=2, low=1, high=3, effect=0.1, computed_at=NOON
        )
    client.force_login(admin_user)
    answers = [client.get(f"/api/v1/customers/{name}/next-action/").json() for name in ("flow", "offer", "nothing")]
    assert [answer["action"] for answer in answers] == ["flow", "offer", "none"]
    assert answers[0]["target"] == {"id": flow.pk, "key": "same", "name": "Win back"}
    assert answers[1]["target"] == {"id": offer.pk, "key": "same", "name": "same"}
    assert answers[2]["target"] is None
    for person, text in zip(
        people, ("Start the flow “Win back”.", "Show the on-site offer “same”", "Do nothing"), strict=True
    ):
        page = client.get(reverse("admin:lifecycle_customer", args=[person.pk])).content.decode()
        assert text in page
    for condition, expected in (
        ({"field": "next_flow", "op": "eq", "value": "same"}, people[:1]),
        ({"field": "next_offer", "op": "eq", "value": "same"}, people[1:2]),
        ({"field": "next_campaign", "op": "is_set"}, []),
        ({"field": "next_action", "op": "in", "value": ["flow", "offer"]}, people[:2]),
    ):
        found = query_matching(condition=condition, as_of=NOON)
        assert set(found) == set(expected), condition
