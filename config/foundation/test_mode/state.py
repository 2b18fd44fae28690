"""Whether the current request is in test mode."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(slots=True)
class SimulatedRequest:
    """What a request in test mode may do.

    Attributes:
        kept_work: what must be written although the request is rolled back, such as who exported personal data.
        may_write_to_valkey: true while the request is counted against a rate limit.
    """

    kept_work: list[Callable[[], object]] = field(default_factory=list)
    may_write_to_valkey: bool = False


_state: ContextVar[SimulatedRequest | None] = ContextVar("test_mode", default=None)


def is_test_mode() -> bool:
    """Return whether the current request has a test key."""
    return _state.get() is not None


@contextmanager
def enter_test_mode() -> Iterator[SimulatedRequest]:
    """Put the block into test mode; the caller rolls the transaction back and runs ``kept_work`` after that."""
    state = SimulatedRequest()
    token = _state.set(state)
    try:
        yield state
    finally:
        _state.reset(token)


@contextmanager
def allow_valkey_writes() -> Iterator[None]:
    """Let the block write to Valkey in test mode too; only for rate limits and figures of the server itself."""
    state = _state.get()
    if state is None:
        yield
        return
    before, state.may_write_to_valkey = state.may_write_to_valkey, True
    try:
        yield
    finally:
        state.may_write_to_valkey = before


def may_write_to_valkey() -> bool:
    state = _state.get()
    return state is None or state.may_write_to_valkey


def run_after_rollback(work: Callable[[], object]) -> None:
    """Run work now; in test mode, when the transaction of the request has been rolled back."""
    state = _state.get()
    if state is None:
        work()
    else:
        state.kept_work.append(work)
