"""A day of a shop, asked after every refresh: whoever did something is known from then on, and nothing counts twice."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
import redis

from customers.warehouse.export import export_warehouse
from recommendations.engine import KIND_CODES, KINDS
from recommendations.serving.pipeline.visitor import identify_visitor, read_activity
from recommendations.serving.recommend import recommend
from recommendations.serving.request import RecommendationRequest
from recommendations.serving.state.loader import StateLoader
from recommendations.training.models import ModelVersion
from recommendations.training.registry.incremental_update import NothingToRefreshError, refresh_active_version
from recommendations.training.registry.promotion import promote_version, roll_back_version
from recommendations.training.train import train
from tests.customers.processing.event_makers import process, send, track
from tests.makers import NOON

QUARTER = timedelta(minutes=15)
MINUTE = timedelta(minutes=1)
EVENT_NAMES = {"view": "Product Viewed", "cart": "Product Added", "purchase": "Order Completed"}


@dataclass
class Person:
    """Somebody with the interactions that the shop has received from them: (product, kind, second)."""

    ids: dict[str, str]
    known: Counter[tuple[str, str, int]] = field(default_factory=Counter)


@dataclass
class Day:
    """The shop during one day; `loaders` are workers, the last of which never loads anything new."""

    loaders: list[StateLoader]
    now: datetime = NOON
    people: dict[str, Person] = field(default_factory=dict)

    def meet(self, name: str, **ids: str) -> Person:
        """Add a person whose history so far is that of the training."""
        person = self.people[name] = Person(ids)
        state = self.loaders[0].get_state(now=self.now)
        model = state.model
        assert model is not None
        names = [f"{kind}:{value}" for kind, value in make_request("for-you", ids).identifiers]
        history = model.build_history(users=model.find_user_rows(names), recent=[])
        for row, kind, order in zip(history.item.tolist(), history.kind.tolist(), history.order.tolist(), strict=True):
            person.known[model.items.get_id(row), KINDS[kind], int(order)] += 1
        return person

    def act(self, name: str, kind: str, product_id: str, *, late: timedelta = timedelta(0), **ids: str) -> None:
        """Send an event of a person that occurred `late` ago."""
        person = self.people[name]
        at = self.now - late
        properties: dict[str, Any] = {"product_id": product_id}
        if kind == "purchase":
            order_id = f"{name}/{at.timestamp():.0f}"
            properties = {
                "order_id": order_id,
                "products": [{"product_id": product_id, "price": "5.00", "quantity": 1}],
            }
        who = {"userId": (ids or person.ids).get("user_id"), "anonymousId": (ids or person.ids).get("anonymous_id")}
        who = {key: value for key, value in who.items() if value}
        send(track(EVENT_NAMES[kind], properties, timestamp=at.isoformat(), **who), at=self.now)
        person.known[product_id, kind, int(at.timestamp())] += 1
        self.check()

    def check(self) -> None:
        """Ask both kinds of worker for everyone."""
        for loader in self.loaders:
            state = loader.get_state(now=self.now)
            for name, person in self.people.items():
                request = make_request("for-you", person.ids)
                visitor = identify_visitor(
                    state=state, request=request, activity=read_activity(request), now=self.now.timestamp()
                )
                assert visitor.history is not None and state.model is not None
                columns = (visitor.history.item, visitor.history.kind, visitor.history.order)
                found = Counter(
                    (state.model.items.get_id(row), KINDS[kind], int(order))
                    for row, kind, order in zip(*(column.tolist() for column in columns), strict=True)
                )
                assert found == person.known, f"{name} at {self.now:%H:%M} of {loader is self.loaders[0]}"
                if found:
                    assert recommend(request=request, now=self.now, source=loader).fallback is None, name
                viewed = {product_id for product_id, kind, _second in found if kind in ("view", "cart")}
                shown = recommend(request=make_request("recently-viewed", person.ids), now=self.now, source=loader)
                if viewed:
                    assert viewed == {item.product_id for item in shown.items}, name

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


def test_nobody_is_forgotten_in_a_day_of_refreshes(day: Day, shortest_trainings: None) -> None:
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
    day.act("guest", "view", "tea-1", late=timedelta(minutes=16))
    day.wait_for_refresh()
    day.now += MINUTE
    day.meet("waiting guest", anonymous_id="guest-2")
    day.act("waiting guest", "cart", "tea-3")
    day.act("user-1", "view", "cake-2", late=timedelta(days=10))
    day.wait_for_refresh(processes=False)
    day.wait_for_refresh()
    day.wait_for_refresh()
    day.now += timedelta(hours=10)
    export_warehouse(started_at=day.now)
    day.check()
    day.now += MINUTE
    day.meet("night owl", anonymous_id="guest-3")
    day.act("night owl", "view", "coffee-2")
    process(day.now)
    day.now += MINUTE
    version = train(as_of=day.now, started_at=day.now)
    day.act("guest", "view", "tea-4", late=timedelta(hours=3))
    if version.status != ModelVersion.Status.ACTIVE:
        promote_version(version=version, at=day.now)
    day.load()
    day.wait_for_refresh()
    day.act("night owl", "cart", "coffee-2")
    roll_back_version(scenario="for-you", at=day.now)
    day.load()
    day.wait_for_refresh()
    day.wait_for_refresh()
