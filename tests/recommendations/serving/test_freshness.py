"""A day of a shop, asked after every refresh: whoever did something is known from then on, and nothing counts twice."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
import redis

from customers.events.dead_letters.replay import replay_rejected
from customers.events.recent.interactions import read_recent_activity
from customers.identity.models import Identifier
from customers.warehouse.export import export_warehouse
from recommendations.engine import KINDS, Histories
from recommendations.serving.batch.customer_blocks import CustomerBlock, load_block
from recommendations.serving.pipeline.visitor import identify_visitor
from recommendations.serving.recommend import recommend
from recommendations.serving.request import RecommendationRequest
from recommendations.serving.state.loader import StateLoader
from recommendations.serving.state.model import ServingModel
from recommendations.training.models import ModelVersion
from recommendations.training.registry.incremental_update import NothingToRefreshError, refresh_active_version
from recommendations.training.registry.promotion import promote_version, roll_back_version
from recommendations.training.train import train
from tests.customers.events.makers import make_rejected_event
from tests.customers.processing.event_makers import process, send, track
from tests.makers import NOON, make_source

QUARTER = timedelta(minutes=15)
MINUTE = timedelta(minutes=1)
EVENT_NAMES = {"view": "Product Viewed", "cart": "Product Added", "purchase": "Order Completed"}


@dataclass
class Person:
    """Someone with the interactions that the shop has received from them: (product, kind, second)."""

    ids: dict[str, str]
    known: Counter[tuple[str, str, int]] = field(default_factory=Counter)


@dataclass
class Day:
    """The shop during one day; `loaders` are workers, the last of which never loads anything new."""

    loaders: list[StateLoader]
    now: datetime = NOON
    people: dict[str, Person] = field(default_factory=dict)

    def meet(self, name: str, **ids: str) -> Person:
        """Add a person whose history so far is that of the model."""
        person = self.people[name] = Person(ids)
        state = self.loaders[0].get_state(now=self.now)
        model = state.model
        assert model is not None
        names = [f"{kind}:{value}" for kind, value in make_request("for-you", ids).identifiers]
        person.known = count_interactions(model, model.build_history(users=model.find_user_rows(names), recent=[]))
        return person

    def act(self, name: str, kind: str, product_id: str, *, late: timedelta = timedelta(0)) -> None:
        """Send an event of a person that occurred `late` ago; a clock that is ahead makes it negative."""
        person, at = self.people[name], self.now - late
        item = make_item(person.ids, kind, product_id, at=at)
        send(item, at=self.now)
        person.known[product_id, kind, int(min(at, self.now).timestamp())] += 1
        self.check()

    def replay(self, name: str, kind: str, product_id: str, *, received_at: datetime) -> None:
        """Accept an event that was rejected earlier."""
        person = self.people[name]
        payload = {"type": "track", **make_item(person.ids, kind, product_id, at=received_at)}
        rejected = make_rejected_event(payload, source=make_source("web"), at=received_at)
        assert replay_rejected(rejected_id=rejected.pk, payload=rejected.payload, at=self.now).accepted
        person.known[product_id, kind, int(received_at.timestamp())] += 1
        self.check()

    def log_in(self, guest: str, user_id: str) -> None:
        """Let a guest identify; the customer is then the same person, by either identifier."""
        anonymous_id = self.people[guest].ids["anonymous_id"]
        known = self.people[guest].known + (self.people[user_id].known if user_id in self.people else Counter())
        send({"type": "identify", "userId": user_id, "anonymousId": anonymous_id, "traits": {}}, at=self.now)
        self.people[guest] = Person({"anonymous_id": anonymous_id}, known)
        self.people[user_id] = Person({"user_id": user_id}, known)
        self.people[f"{guest}, logged in"] = Person({"user_id": user_id, "anonymous_id": anonymous_id}, known)
        self.check()

    def check(self) -> None:
        """Ask all workers for everyone."""
        for number, loader in enumerate(self.loaders):
            state = loader.get_state(now=self.now)
            model = state.model
            assert model is not None
            for name, person in self.people.items():
                request = make_request("for-you", person.ids)
                # longer than a request would wait for Valkey: the machine may be busy
                activity = read_recent_activity(identifiers=request.identifiers, timeout=30)
                visitor = identify_visitor(state=state, request=request, activity=activity, now=self.now.timestamp())
                assert visitor.history is not None
                found = count_interactions(model, visitor.history)
                assert found == person.known, f"{name} at {self.now:%H:%M}, worker {number}"
                if found:
                    answer = recommend(request=request, now=self.now, source=loader, activity=activity)
                    assert answer.fallback is None, name
                viewed = {product_id for product_id, kind, _second in found if kind in ("view", "cart")}
                request = make_request("recently-viewed", person.ids)
                shown = recommend(request=request, now=self.now, source=loader, activity=activity)
                if viewed:
                    assert viewed == {item.product_id for item in shown.items}, name

    def check_batch(self) -> None:
        """Compare what exports and audiences know of everyone after a refresh."""
        state = self.loaders[0].get_state(now=self.now)
        assert state.model is not None
        for name, person in self.people.items():
            owners = Identifier.objects.filter(value__in=person.ids.values()).values("customer")
            identifiers = Identifier.objects.filter(customer__in=owners)
            names = [f"{kind}:{value}" for kind, value in identifiers.values_list("kind", "value")]
            block = CustomerBlock(1, names, np.zeros(len(names), np.int32))
            histories = load_block(state, state.model, block, scenario="for-you", now=self.now).histories
            assert count_interactions(state.model, histories) == person.known, name

    def wait_for_refresh(self, *, processes: bool = True) -> None:
        """Let a quarter of an hour pass, with an incremental update at its end."""
        self.now += QUARTER
        if processes:
            process(self.now)
        self.check()
        try:
            refresh_active_version(as_of=self.now)
        except NothingToRefreshError:
            return
        self.load()

    def load(self) -> None:
        self.check()
        self.loaders[0].refresh(now=self.now)
        self.check()


def make_item(ids: dict[str, str], kind: str, product_id: str, *, at: datetime) -> dict[str, Any]:
    """Return the event of an interaction, as an SDK sends it."""
    properties: dict[str, Any] = {"product_id": product_id}
    if kind == "purchase":
        line = {"product_id": product_id, "price": "5.00", "quantity": 1}
        properties = {"order_id": f"{product_id} {at.isoformat()}", "products": [line]}
    keys = {"user_id": "userId", "anonymous_id": "anonymousId"}
    who = {keys[key]: value for key, value in ids.items()}
    return track(EVENT_NAMES[kind], properties, timestamp=at.isoformat(), **who)


def count_interactions(model: ServingModel, history: Histories) -> Counter[tuple[str, str, int]]:
    """Return how often each (product, kind, second) is in a history."""
    columns = (history.item.tolist(), history.kind.tolist(), history.order.tolist())
    return Counter(
        (model.items.get_id(row), KINDS[kind], int(order)) for row, kind, order in zip(*columns, strict=True)
    )


def make_request(scenario: str, ids: dict[str, str]) -> RecommendationRequest:
    return RecommendationRequest(scenario, n=50, in_stock=False, **ids)


@pytest.fixture
def day(trained: ModelVersion) -> Iterator[Day]:
    loaders = [StateLoader(), StateLoader()]
    for loader in loaders:
        loader.refresh(now=NOON)
        loader.has_refresh_thread = True  # it loads only when the test says so
    yield Day(loaders)
    for loader in loaders:
        loader.valkey.close()


def test_nobody_is_forgotten_in_a_day_of_refreshes(day: Day, shortest_trainings: None, valkey: redis.Redis) -> None:
    for name in ("user-0", "user-1"):
        day.meet(name, user_id=name)
    day.now += 2 * MINUTE
    day.meet("guest", anonymous_id="guest-1")
    day.act("guest", "view", "tea-0")
    day.meet("newcomer", user_id="newcomer")
    day.act("newcomer", "view", "coffee-1")
    day.wait_for_refresh()
    day.act("newcomer", "purchase", "coffee-1")
    day.act("user-1", "view", "cake-0", late=timedelta(hours=1))
    day.act("user-0", "purchase", "cake-1", late=timedelta(days=1))
    day.act("guest", "view", "tea-1", late=16 * MINUTE)
    day.act("guest", "cart", "tea-1", late=-timedelta(hours=5))
    day.wait_for_refresh()
    day.now += MINUTE
    day.meet("waiting guest", anonymous_id="guest-2")
    day.act("waiting guest", "cart", "tea-3")
    day.act("user-1", "view", "cake-2", late=timedelta(days=10))
    day.wait_for_refresh(processes=False)
    day.replay("user-1", "view", "cake-3", received_at=NOON - timedelta(days=3))
    day.wait_for_refresh()
    day.wait_for_refresh()
    day.check_batch()

    day.now += timedelta(hours=10)
    export_warehouse(started_at=day.now)
    day.check()
    day.now += 2 * MINUTE
    day.meet("night owl", anonymous_id="guest-3")
    day.act("night owl", "view", "coffee-2")
    process(day.now)
    day.now += 2 * MINUTE
    version = train(as_of=day.now, started_at=day.now)
    day.act("guest", "view", "tea-4", late=timedelta(hours=3))
    if version.status != ModelVersion.Status.ACTIVE:
        promote_version(version=version, at=day.now)
    day.load()
    day.wait_for_refresh()

    day.act("night owl", "cart", "coffee-2")
    day.log_in("guest", "newcomer")
    day.log_in("night owl", "user-new")
    day.wait_for_refresh()
    day.act("newcomer", "view", "tea-2")
    day.act("guest", "view", "cake-4")
    day.wait_for_refresh()
    day.check_batch()
    roll_back_version(scenario="for-you", at=day.now)
    day.load()
    day.wait_for_refresh()
    day.wait_for_refresh()
    day.check_batch()

    valkey.flushdb()
    day.loaders = day.loaders[:1]
    day.check()
