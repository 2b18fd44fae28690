"""Sessions of a Markov chain whose probabilities of ordering and leaving are known."""

from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Floats, Ints
from customers.intent.prediction.session_events import SECOND, Device, EventKind, Orderings, SessionEvents

DAY = 86_400 * SECOND
START = 1_780_000_000 * SECOND
KINDS = (EventKind.VIEW, EventKind.CART, EventKind.CHECKOUT, EventKind.PURCHASE)
# from a view, a product in the cart, a checkout: to another view, the cart, the checkout, an order; the rest leaves
STEPS = {
    Device.DESKTOP: np.array([[0.45, 0.3, 0.0, 0.0], [0.25, 0.2, 0.45, 0.0], [0.05, 0.05, 0.1, 0.75]]),
    Device.MOBILE: np.array([[0.5, 0.08, 0.0, 0.0], [0.3, 0.1, 0.2, 0.0], [0.1, 0.05, 0.1, 0.3]]),
}
MEAN_PAUSE = 40.0  # seconds
MEAN_ORDER_DELAY = 180.0  # seconds
COMPLETION = 0.7
NO_ORDERS = Orderings(np.zeros(0, np.int64), np.zeros(0, np.int64))


@dataclass(frozen=True, eq=False)
class SimulatedSessions:
    """Events with the true probabilities at each of them, (n,), and no orders but the purchase events."""

    events: SessionEvents
    orders: Orderings
    order_probability: Floats
    leave_probability: Floats

    @property
    def until(self) -> int:
        return int(self.events.at.max()) + DAY


def solve_order_probability(device: Device) -> Floats:
    """Return the probability of an order after each kind of event but an order: h = T h + t, of an absorbing chain."""
    steps = STEPS[device]
    return np.linalg.solve(np.eye(3) - steps[:, :3], steps[:, 3])


def simulate_sessions(sessions: int, *, seed: int = 7, people: int | None = None) -> SimulatedSessions:
    """Simulate sessions that begin one after another, each of a person of its own unless there are fewer people."""
    draws = np.random.default_rng(seed)
    device = np.where(draws.random(sessions) < 0.5, Device.DESKTOP, Device.MOBILE)
    steps = np.stack([np.zeros((3, 4)), STEPS[Device.DESKTOP], STEPS[Device.MOBILE]])
    state = np.zeros(sessions, np.int64)
    at = START + np.arange(sessions) * (3600 * SECOND)
    rows, active = [], np.arange(sessions)
    for _step in range(40):
        rows.append((active, at[active], state[active]))
        active = active[state[active] < 3]
        bounds = np.cumsum(steps[device[active], state[active]], axis=1)
        following = (draws.random(len(active))[:, None] >= bounds).sum(axis=1)
        state[active] = following
        at[active] += np.minimum(draws.exponential(MEAN_PAUSE, len(active)) * SECOND, 1700 * SECOND).astype(np.int64)
        active = active[following < 4]
    session, moments, states = (np.concatenate(part) for part in zip(*rows, strict=True))
    person = session if people is None else session % people
    order = np.lexsort((moments, person))
    session, moments, states, person = session[order], moments[order], states[order], person[order]
    return SimulatedSessions(
        build_events(person, moments, states, device[session]),
        NO_ORDERS,
        look_up(
            np.stack([np.zeros(4), *(np.append(solve_order_probability(each), 0) for each in STEPS)]),
            device[session],
            states,
        ),
        look_up(
            np.stack([np.zeros(4), *(np.append(1 - STEPS[each].sum(axis=1), 1) for each in STEPS)]),
            device[session],
            states,
        ),
    )


def simulate_server_orders(sessions: int, *, seed: int = 9) -> tuple[SessionEvents, Orderings]:
    """Simulate sessions of views, half of which end with a checkout; its order is a row without an event, some minutes later."""
    draws = np.random.default_rng(seed)
    views = draws.integers(1, 6, sessions)
    is_checkout = draws.random(sessions) < 0.5
    person = np.repeat(np.arange(sessions), views + is_checkout)
    first = np.append(True, person[1:] != person[:-1])
    last = np.append(first[1:], True)
    pause = np.where(first, 0, np.minimum(draws.exponential(MEAN_PAUSE, len(person)), 1700)) * SECOND
    elapsed = np.cumsum(pause.astype(np.int64))
    at = START + person * (3600 * SECOND) + elapsed - elapsed[first][person]
    states = np.where(last & is_checkout[person], KINDS.index(EventKind.CHECKOUT), 0)
    orders = is_checkout & (draws.random(sessions) < COMPLETION)
    delay = (np.minimum(draws.exponential(MEAN_ORDER_DELAY, sessions), 1700) * SECOND).astype(np.int64)
    buyers = np.flatnonzero(orders)
    device = np.where(draws.random(sessions) < 0.5, Device.DESKTOP, Device.MOBILE)
    return build_events(person, at, states, device[person]), Orderings.sort(buyers, (at[last] + delay)[buyers])


def build_events(person: Ints, at: Ints, states: Ints, device: Ints) -> SessionEvents:
    """Return the events of states; each is about a product of the category 0 … 2, which is that of its number."""
    product = np.arange(len(at)) % 9
    return SessionEvents(
        person=person,
        at=at,
        kind=np.array(KINDS, np.int8)[states],
        product=product,
        category=product // 3,
        device=device.astype(np.int8),
        hour=(at // SECOND % 86_400) / 3600,
        is_weekend=np.zeros(len(at), np.bool_),
    )


def look_up(table: Floats, device: Ints, states: Ints) -> Floats:
    return table[device, states]
