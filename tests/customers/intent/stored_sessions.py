"""Stored events and a stored model, for tests of what is read from the database."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import count

from customers.events.models import Event, Source
from customers.identity.models import Customer, Identifier
from customers.intent.models import IntentRun
from customers.intent.prediction.intent_model import TrainedIntent, serialize_intent, train_intent
from customers.intent.prediction.session_events import Device, EventKind
from customers.intent.served_model import forget_served_model
from tests.customers.intent.simulated_sessions import simulate_sessions
from tests.makers import make_source

NAMES = {
    EventKind.VIEW: "Product Viewed",
    EventKind.CART: "Product Added",
    EventKind.CHECKOUT: "Checkout Started",
    EventKind.PURCHASE: "Order Completed",
}
CATEGORIES = ("Garden", "Kitchen", "Toys")
numbers = count(1)


@lru_cache(maxsize=1)
def train_simulated() -> TrainedIntent:
    """Return a model of simulated sessions, trained once for all tests."""
    simulated = simulate_sessions(2_500)
    return train_intent(simulated.events, simulated.orders, until=simulated.until, categories=CATEGORIES)


def store_model(*, as_of: datetime) -> IntentRun:
    """Store the model of simulated sessions as a run."""
    trained = train_simulated()
    run = IntentRun.objects.create(
        as_of=as_of,
        started_at=as_of,
        finished_at=as_of,
        status=IntentRun.Status.DONE,
        events=9_000,
        sessions=2_500,
        since=as_of - timedelta(days=90),
        quality=trained.quality,
        content=serialize_intent(trained.model),
    )
    forget_served_model()
    return run


def store_events(
    rows: Sequence[tuple[datetime, str]], *, user_id: str = "", anonymous_id: str = "", product_id: str = ""
) -> None:
    """Store events of (time, name) of one visitor; each is received when it occurs."""
    source = Source.objects.filter(key="shop").first() or make_source()
    Event.objects.bulk_create(
        Event(
            source=source,
            message_id=f"m{next(numbers)}",
            type=Event.Type.TRACK,
            name=name,
            user_id=user_id,
            anonymous_id=anonymous_id,
            occurred_at=at,
            received_at=at,
            product_ids=[product_id] if product_id else [],
            context={"device": {"type": "android"}},
        )
        for at, name in rows
    )


def store_simulated_sessions(sessions: int) -> datetime:
    """Store simulated sessions of visitors who are known by their user ID; return a moment after the last one."""
    simulated = simulate_sessions(sessions)
    events, source = simulated.events, make_source()
    customers = Customer.objects.bulk_create([Customer() for _person in range(sessions)])
    Identifier.objects.bulk_create(
        Identifier(customer=customer, kind=Identifier.Kind.USER_ID, value=f"u{person}")
        for person, customer in enumerate(customers)
    )
    Event.objects.bulk_create(
        Event(
            source=source,
            message_id=f"s{row}",
            type=Event.Type.TRACK,
            name=NAMES[EventKind(int(events.kind[row]))],
            user_id=f"u{events.person[row]}",
            occurred_at=(at := datetime.fromtimestamp(int(events.at[row]) / 1e6, UTC)),
            received_at=at,
            product_ids=[f"p{events.product[row]}"],
            context={"device": {"type": Device(int(events.device[row])).name.lower()}},
        )
        for row in range(len(events))
    )
    return datetime.fromtimestamp(simulated.until / 1e6, UTC)
