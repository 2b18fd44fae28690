"""The registry of who sends test messages: the sending room, which this one does not import."""

from dataclasses import dataclass
from typing import Protocol

from recommendations.messaging.rendering import RenderedMessage


@dataclass(frozen=True)
class TestMessage:
    """A rendered message to an address that the user entered. customer_id: whom it was rendered for."""

    channel: str
    address: str
    language: str
    rendered: RenderedMessage
    customer_id: int | None = None


class TestMessageSender(Protocol):
    """Sends a test message at once; returns the problem, or ""."""

    def __call__(self, message: TestMessage, /) -> str: ...


_senders: list[TestMessageSender] = []


def register_test_sender(sender: TestMessageSender) -> None:
    _senders[:] = [sender]


def get_test_sender() -> TestMessageSender | None:
    """Return the registered sender; None without one."""
    return _senders[0] if _senders else None
