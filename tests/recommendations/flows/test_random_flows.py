"""Property test: random flows and events behave as a simple model in memory says, with two workers in random chunks."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recommendations.flows.execution.published_graphs import forget_graphs
from recommendations.flows.execution.reactions import process_signals
from recommendations.flows.execution.stepping import run_due_steps
from recommendations.flows.machine.decisions import choose_variant
from recommendations.flows.models import Flow, FlowEntry, FlowStepCount
from recommendations.sending.models import Delivery
from tests.makers import make_customer
from tests.recommendations.flows.makers import NOON, make_live_flow, make_template, signal

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
EVENTS = ("cart", "alpha", "beta")  # cart is the trigger


@st.composite
def step_lists(draw: st.DrawFn, depth: int = 0) -> list[dict[str, Any]]:
    kinds = ["wait", "message", "tag"] if depth == 2 else ["wait", "message", "tag", "wait_event", "split"]
    steps: list[dict[str, Any]] = []
    for kind in draw(
        st.lists(st.sampled_from(kinds), max_size=4 if depth == 0 else 2, min_size=1 if depth == 0 else 0)
    ):
        step: dict[str, Any] = {"kind": kind}
        if kind == "wait":
            step["for"] = {"minutes": draw(st.integers(1, 90))}
        elif kind == "message":
            step["template"] = "hello"
        elif kind == "tag":
            step = {"kind": "add_tag", "tag": draw(st.sampled_from("xyz"))}
        elif kind == "wait_event":
            step |= {"event": draw(st.sampled_from(EVENTS[1:])), "timeout": {"minutes": draw(st.integers(1, 90))}}
            step["branches"] = {name: draw(step_lists(depth + 1)) for name in ("event", "timeout")}
        else:
            step["weights"] = {"a": 1, "b": draw(st.integers(0, 2))}
            step["branches"] = {name: draw(step_lists(depth + 1)) for name in ("a", "b")}
        steps.append(step)
    return steps


def give_keys(steps: list[dict[str, Any]], numbers: Iterator[int]) -> list[dict[str, Any]]:
    keyed = []
    for step in steps:
        key = f"s{next(numbers)}"
        branches = {name: give_keys(inner, numbers) for name, inner in step.get("branches", {}).items()}
        keyed.append({**step, "key": key, **({"branches": branches} if branches else {})})
    return keyed


@dataclass
class SimplePerson:
    """One customer in the model: where the stay is, as the list of the steps that follow, and what happened."""

    number: int
    todo: list[dict[str, Any]] | None = None
    due: datetime | None = None
    entered_at: datetime | None = None
    sent: list[str] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)


class SimpleFlow:
    """The rules of flows, one person and one moment at a time."""

    def __init__(self, steps: list[dict[str, Any]], reentry: dict[str, Any], goal: str, salt: str) -> None:
        self.steps, self.reentry, self.goal, self.salt = steps, reentry, goal, salt

    def receive(self, person: SimplePerson, name: str, at: datetime) -> None:
        if person.todo is not None:
            if name == self.goal:
                person.outcomes.append("goal")
                person.todo = person.due = None
            elif person.todo[0]["kind"] == "wait_event" and person.todo[0]["event"] == name:
                person.todo = person.todo[0]["branches"]["event"] + person.todo[1:]
                person.due = None
                self.go_on(person, at)
        if name == "cart" and person.todo is None and self.allows(person, at):
            person.entered_at = at
            person.todo = list(self.steps)
            self.go_on(person, at)

    def allows(self, person: SimplePerson, at: datetime) -> bool:
        if person.entered_at is None:
            return True
        if self.reentry["rule"] == "never":
            return False
        return at - person.entered_at >= (timedelta(days=1) if self.reentry["rule"] == "after" else MINUTE)

    def pass_time(self, person: SimplePerson, now: datetime) -> None:
        if person.todo is not None and person.due is not None and person.due <= now:
            step = person.todo[0]
            person.todo = step.get("branches", {}).get("timeout", []) + person.todo[1:]
            person.due = None
            self.go_on(person, now)

    def go_on(self, person: SimplePerson, now: datetime) -> None:
        while person.todo:
            step = person.todo[0]
            if step["kind"] in ("wait", "wait_event"):
                person.due = now + timedelta(minutes=(step.get("for") or step["timeout"])["minutes"])
                return
            person.todo = person.todo[1:]
            if step["kind"] == "message":
                person.sent.append(step["key"])
            elif step["kind"] == "split":
                name = choose_variant(
                    salt=self.salt, step_key=step["key"], customer_id=person.number, weights=step["weights"]
                )
                person.todo = step["branches"][name] + person.todo
        person.outcomes.append("completed")
        person.todo = None


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    steps=step_lists(),
    reentry=st.sampled_from([{"rule": "never"}, {"rule": "always"}, {"rule": "after", "days": 1}]),
    goal=st.sampled_from(["alpha", "beta"]),
    script=st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from(EVENTS), st.integers(0, 120) | st.just(0)), min_size=1, max_size=14
    ),
    chunk=st.integers(1, 3),
)
def test_random_flows_do_what_the_model_says(
    steps: list[dict[str, Any]], reentry: dict[str, Any], goal: str, script: list[tuple[int, str, int]], chunk: int
) -> None:
    Delivery.objects.all().delete()
    Flow.objects.all().delete()
    forget_graphs()
    if not Delivery.objects.exists():
        ensure_template()
    keyed = give_keys(steps, iter(range(1000)))
    flow = make_live_flow(keyed, reentry=reentry, goal={"kind": "event", "event": goal})
    model = SimpleFlow(keyed, reentry, goal, flow.salt)
    people = [SimplePerson(make_customer().pk) for _number in range(3)]
    now = NOON
    for number, name, minutes in [*script, (0, "gamma", 24 * 60), (0, "gamma", 24 * 60)]:
        now += minutes * MINUTE
        run_due_steps(now=now, chunk_size=chunk)
        for person in people:
            model.pass_time(person, now)
        signal(people[number].number, name, at=now)
        process_signals(now=now)
        run_due_steps(now=now, chunk_size=chunk)
        model.receive(people[number], name, now)
    for person in people:
        entries = FlowEntry.objects.filter(flow=flow, customer_id=person.number).order_by("id")
        expected = person.outcomes + (["active"] if person.todo is not None else [])
        assert [entry.status for entry in entries] == expected
        runs = [
            run.pk
            for entry in entries
            for run in entry.step_runs.order_by("id")
            if run.step_key in {*person.sent} and run.outcome == "done"
        ]
        sent = Delivery.objects.filter(origin_kind="flow", customer_id=person.number, origin_id__in=runs)
        assert sent.count() == Delivery.objects.filter(customer_id=person.number).count() == len(person.sent)
    assert_counts_add_up(flow)


def ensure_template() -> None:
    from recommendations.messaging.models import MessageTemplate

    if not MessageTemplate.objects.filter(key="hello").exists():
        make_template()


def assert_counts_add_up(flow: Flow) -> None:
    """Who came to a step has left it or is at it."""
    counts: dict[str, dict[str, int]] = {}
    for count in FlowStepCount.objects.filter(version__flow=flow):
        counts.setdefault(count.step_key, {})[count.outcome] = count.count
    for key, outcomes in counts.items():
        if key:
            gone = sum(number for name, number in outcomes.items() if name != "arrived")
            at_it = FlowEntry.objects.filter(flow=flow, status="active", step_key=key).count()
            assert outcomes.get("arrived", 0) - gone == at_it
