"""Behavior prediction: TRAIN (parquet: user, item, behavior, ts) and TEST (user, item: the next new item of each user).

What such data can answer:

- TRAIN: whether a session ends with an order and whether the visitor leaves, at the events of its last fifth of sessions, by models
  that learned from the fifths before (`order_…`, `leave_…`): accuracy, AUC and Brier score, compared with those of the share of all sessions
  (`rate`) and of the type of the last event (`last`).
- TEST has no times, event types or categories: only the next item of a user, among those that the user has not interacted with.
  accuracy, hit@10: the transition model of the next category, with items as categories; its settings are chosen by each user's last
  new item in TRAIN. baseline_accuracy, baseline_hit@10: the most popular items. The user's last item is never the next new one.

p95_ms: GET /api/v1/customers/{id}/intent/ on embedded servers, with the users' last events of TRAIN moved to the present; requests
are due at random moments (open loop), and latencies count from then. score_p95_ms: features and models alone. The load and the servers
share the machine: load_average shows how busy it was.
"""

import argparse
import json
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow.parquet as pq

from benchmarks.embedded_servers import run_embedded_servers
from benchmarks.neighbours import get_peak_mb, log
from benchmarks.serving import run_load, run_web_server
from config.foundation.array_types import Floats, Ints
from customers.intent.prediction.intent_model import (
    IntentModel,
    TrainedIntent,
    predict_latest_sessions,
    serialize_intent,
    train_intent,
)
from customers.intent.prediction.labels import CategorySteps
from customers.intent.prediction.next_category import DECAYS, SessionCategoryModel, count_steps, replace_settings
from customers.intent.prediction.session_events import SECOND, Device, EventKind, Orderings, SessionEvents

KINDS = {"view": EventKind.VIEW, "cart": EventKind.CART, "buy": EventKind.PURCHASE}
NAMES = {EventKind.VIEW: "Product Viewed", EventKind.CART: "Product Added", EventKind.PURCHASE: "Order Completed"}
NO_ORDERS = Orderings(np.zeros(0, np.int64), np.zeros(0, np.int64))
WEIGHTS, STRENGTHS, TOP = (0.0, 0.2, 0.5), (1.0, 10.0, 100.0), 10
RATE, SECONDS, WARM_SECONDS, REQUESTS = 100.0, 15.0, 4.0, 20_000
STORED_EVENTS = 60  # of a user, at most
REQUESTS_PER_MINUTE = 100_000_000
SCORED_USERS = 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--rate", type=float, default=RATE, help="requests per second")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--whole", action="store_true", help="also run the worker and the scheduler")
    parser.add_argument("--no-server", action="store_true", help="do not measure the endpoint")
    arguments = parser.parse_args()
    events = read_events(arguments.train)
    began = time.perf_counter()
    trained = train_intent(events, NO_ORDERS, until=int(events.at.max()) + 1, categories=())
    line: dict[str, Any] = measure_next_items(events, arguments.test)
    line |= {"fit_s": round(time.perf_counter() - began, 1), "events": len(events), "sessions": len(events.sessions)}
    for question in ("order", "leave"):
        line |= list_figures(question, trained.quality[question])
    line["score_p95_ms"] = round(measure_scoring(trained.model, events), 3)
    line["p95_ms"] = None
    if not arguments.no_server:
        line |= measure_endpoint(arguments, trained, events)
    line |= {"peak_mb": get_peak_mb(), "load_average": round(os.getloadavg()[0], 2), "notes": NOTES}
    print(json.dumps(line))


NOTES = "The files have no categories: accuracy is that of the next new item. Order and leave are evaluated on the last fifth of TRAIN."


def read_events(path: Path) -> SessionEvents:
    """Return the events of TRAIN, with UTC as the time zone."""
    table = pq.read_table(path)
    person, item = (table[name].to_numpy().astype(np.int64) for name in ("user", "item"))
    at = table["ts"].to_numpy() * SECOND
    kind = np.array([KINDS[name] for name in table["behavior"].to_pylist()], np.int8)
    order = np.lexsort((np.arange(len(at)), at, person))
    at = at[order]
    seconds = at // SECOND
    return SessionEvents(
        person=person[order],
        at=at,
        kind=kind[order],
        product=item[order],
        category=np.full(len(at), -1),
        device=np.full(len(at), Device.UNKNOWN, np.int8),
        hour=seconds % 86_400 / 3600,
        is_weekend=(seconds // 86_400 + 3) % 7 >= 5,
    )


def list_figures(question: str, quality: dict[str, Any]) -> dict[str, Any]:
    names = ("accuracy", "auc", "brier", "rate_accuracy", "rate_brier", "last_accuracy", "last_auc", "last_brier")
    figures: dict[str, Any] = {f"{question}_{name}": round(quality[name], 4) for name in names}
    return figures | {
        f"{question}_cuts": quality["cuts"],
        f"{question}_rate": round(quality["rate"], 4),
        f"{question}_mean_predicted": round(quality["mean_predicted"], 4),
        f"{question}_algorithm": quality["algorithm"],
    }


@dataclass(frozen=True, eq=False)
class NextItems:
    """The known steps of each user, and the next new item. rows: the last step of each user."""

    steps: CategorySteps
    rows: Ints
    user: Ints
    actual: Ints


def measure_next_items(events: SessionEvents, test_path: Path) -> dict[str, Any]:
    """Choose the settings by the last new item of each user in TRAIN, and evaluate on TEST once."""
    test = pq.read_table(test_path)
    actual = dict(zip(test["user"].to_pylist(), test["item"].to_pylist(), strict=True))
    n_items = int(max(events.product.max(), *actual.values())) + 1
    validation = hold_out_last_new_items(events)
    counted = count_steps(validation.steps, find_followed(validation.steps), n_items)
    best = (-1.0, 0.0, WEIGHTS[0], DECAYS[0], STRENGTHS[0])
    for weight, decay, strength in product(WEIGHTS, DECAYS, STRENGTHS):
        model = replace_settings(counted, weight=weight, decay=decay, strength=strength)
        best = max(best, (*rank_new_items(model, validation)[::-1], weight, decay, strength))
    log(f"next item, validation: hit@10 {best[0]:.4f}, accuracy {best[1]:.4f}, settings {best[2:]}")
    steps = CategorySteps(events.person, events.product.astype(np.int64), events.at, events.kind)
    rows = np.flatnonzero(np.append(events.person[1:] != events.person[:-1], True))
    user = events.person[rows]
    target = NextItems(steps, rows, user, np.array([actual.get(each, -1) for each in user.tolist()]))
    served = replace_settings(
        count_steps(steps, find_followed(steps), n_items), weight=best[2], decay=best[3], strength=best[4]
    )
    accuracy, hit = rank_new_items(served, target)
    popular, popular_hit = rank_popular(served.popularity, target)
    return {
        "accuracy": round(accuracy, 4),
        "baseline_accuracy": round(popular, 4),
        "hit@10": round(hit, 4),
        "baseline_hit@10": round(popular_hit, 4),
        "users": len(rows),
    }


def find_followed(steps: CategorySteps) -> Ints:
    return np.flatnonzero(steps.session[1:] == steps.session[:-1])


def hold_out_last_new_items(events: SessionEvents) -> NextItems:
    """Return the events of each user before the last one with an item that was new to the user."""
    n = len(events)
    keys = events.person * (int(events.product.max()) + 1) + events.product
    _keys, first = np.unique(keys, return_index=True)
    is_new = np.zeros(n, np.bool_)
    is_new[first] = True
    is_new[np.flatnonzero(np.append(True, events.person[1:] != events.person[:-1]))] = False  # a user without a past
    last_new = np.full(int(events.person.max()) + 1, -1)
    np.maximum.at(last_new, events.person[is_new], np.flatnonzero(is_new))
    is_known = (last_new[events.person] > np.arange(n)) & (last_new[events.person] >= 0)
    steps = CategorySteps(
        events.person[is_known], events.product[is_known].astype(np.int64), events.at[is_known], events.kind[is_known]
    )
    rows = np.flatnonzero(np.append(steps.session[1:] != steps.session[:-1], True))
    user = steps.session[rows]
    return NextItems(steps, rows, user, events.product[last_new[user]])


def rank_new_items(model: SessionCategoryModel, target: NextItems) -> tuple[float, float]:
    """Return how often the next new item is the first one of the ranking, and among the first ten."""
    owner, item, probability = model.score_candidates(target.steps, target.rows)
    seen = np.unique(target.steps.session * model.n_categories + target.steps.category)
    is_new = ~np.isin(target.user[owner] * model.n_categories + item, seen)
    owner, item, probability = owner[is_new], item[is_new], probability[is_new]
    order = np.lexsort((item, -probability, owner))
    owner, item = owner[order], item[order]
    rank = np.arange(len(owner)) - np.searchsorted(owner, owner)
    is_hit = item == target.actual[owner]
    n = len(target.rows)
    return float((is_hit & (rank == 0)).sum() / n), float((is_hit & (rank < TOP)).sum() / n)


def rank_popular(popularity: Floats, target: NextItems) -> tuple[float, float]:
    """Return the same of the most popular items that are new to each user."""
    n_items = len(popularity)
    top = np.argsort(-popularity, kind="stable")[:500]
    seen = np.unique(target.steps.session * n_items + target.steps.category)
    is_new = ~np.isin(target.user[:, None] * n_items + top[None, :], seen)
    rank = np.cumsum(is_new, axis=1) - 1
    is_hit = is_new & (top[None, :] == target.actual[:, None])
    return float((is_hit & (rank == 0)).any(axis=1).mean()), float((is_hit & (rank < TOP)).any(axis=1).mean())


def measure_scoring(model: IntentModel, events: SessionEvents) -> float:
    """Return the 95th percentile of the milliseconds of a prediction from the events of a user."""
    took = []
    for person in range(-5, SCORED_USERS):  # the first ones load compiled code
        one = events.select(np.flatnonzero(events.person == max(person, 0))[-300:])
        began = time.perf_counter()
        predict_latest_sessions(model, one, NO_ORDERS, now=int(one.at[-1]) + SECOND)
        took.append((time.perf_counter() - began) * 1000)
    return float(np.percentile(took[5:], 95))


def measure_endpoint(arguments: argparse.Namespace, trained: TrainedIntent, events: SessionEvents) -> dict[str, Any]:
    """Return the latencies of the endpoint under load."""
    with run_embedded_servers("intent", report=log):
        folder = Path(os.environ["PERENNIAL_VAR"]).parent
        record = {"folder": str(folder), "api_key": make_shop(trained, events, folder)}
        with run_web_server(arguments, record) as shop:
            run_load(shop, "intent:1", seconds=WARM_SECONDS, rate=arguments.rate, seed=99)
            figures = run_load(shop, "intent:1", seconds=arguments.seconds, rate=arguments.rate, seed=1)
    latencies = {name: round(figures["all"][name], 2) for name in ("p50_ms", "p95_ms", "p99_ms", "max_ms")}
    errors = figures["scenarios"]["intent"]["errors"] + sum(figures["problems"].values())
    return {**latencies, "requests_per_s": round(figures["requests_per_s"], 1), "errors": errors}


def make_shop(trained: TrainedIntent, events: SessionEvents, folder: Path) -> str:
    """Store the users with their last events and the model, write the requests, and return the key."""
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    with log_time("users and events stored"):
        users = store_events(events)
    store_model(trained)
    draws = random.Random(3)
    with (folder / "intent.jsonl").open("w", encoding="utf-8") as file:
        for _number in range(REQUESTS):
            file.write(json.dumps(["GET", f"/api/v1/customers/u{draws.choice(users)}/intent/", "", "en"]) + "\n")
    return make_key()


@contextmanager
def log_time(text: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    log(f"{text}: {time.perf_counter() - began:.1f} s")


def store_events(events: SessionEvents) -> list[int]:
    """Store each user's last events, the last one a moment from now, so that the sessions go on during the load."""
    from django.db import connection

    from customers.events.models import Event, Source
    from customers.identity.models import Customer, Identifier

    source = Source.objects.create(key="shop", name="Shop", kind=Source.Kind.SERVER)
    last = np.flatnonzero(np.append(events.person[1:] != events.person[:-1], True))
    users = events.person[last].tolist()
    customers = Customer.objects.bulk_create([Customer() for _user in users])
    Identifier.objects.bulk_create(
        Identifier(customer=customer, kind=Identifier.Kind.USER_ID, value=f"u{user}")
        for customer, user in zip(customers, users, strict=True)
    )
    now = datetime.now(UTC)
    rows = np.concatenate([np.arange(max(row - STORED_EVENTS + 1, first), row + 1) for first, row in list_bounds(last)])
    newest = dict(zip(users, events.at[last].tolist(), strict=True))
    Event.objects.bulk_create(
        (
            Event(
                source=source,
                message_id=f"m{row}",
                type=Event.Type.TRACK,
                name=NAMES[EventKind(int(events.kind[row]))],
                user_id=f"u{events.person[row]}",
                occurred_at=at,
                received_at=at,
                product_ids=[f"p{events.product[row]}"],
            )
            for row in rows.tolist()
            if (at := now - timedelta(microseconds=newest[int(events.person[row])] - int(events.at[row]))).year
            == now.year
        ),
        batch_size=5_000,
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return users


def list_bounds(last: Ints) -> Iterator[tuple[int, int]]:
    """Yield the first and the last row of each user."""
    first = 0
    for row in last.tolist():
        yield first, row
        first = row + 1


def store_model(trained: TrainedIntent) -> None:
    from customers.intent.models import IntentRun

    now = datetime.now(UTC)
    IntentRun.objects.create(
        as_of=now,
        started_at=now,
        finished_at=now,
        status=IntentRun.Status.DONE,
        quality=trained.quality,
        content=serialize_intent(trained.model),
    )


def make_key() -> str:
    from config.access.keys import create_api_key
    from config.access.models import ApiKey

    key, plain = create_api_key(
        name=f"bench {uuid4().hex[:6]}", kind=ApiKey.Kind.SECRET, scopes=["customers:read"], now=datetime.now(UTC)
    )
    key.requests_per_minute = REQUESTS_PER_MINUTE
    key.save()
    return plain


if __name__ == "__main__":
    main()
