"""The registry of the sender of test messages: the sending app registers it, because this app must not import that one."""

from dataclasses import dataclass
from typing import Protocol

from recommendations.messaging.rendering import RenderedMessage


@dataclass(frozen=True)
class TemplateTest:
    """A rendered message to an address that the user entered. customer_id: whom it was rendered for."""

    channel: str
    address: str
    language: str
    rendered: RenderedMessage
    customer_id: int | None = None


@dataclass(frozen=True)
class TemplateTestResult:
    """problem: why nothing was sent, or "". outbox_url: the page of a message that was stored in the outbox instead of sent, or ""."""

    problem: str = ""
    outbox_url: str = ""


class TemplateTestSender(Protocol):
    """Sends a test message immediately."""

    def __call__(self, test: TemplateTest, /) -> TemplateTestResult: ...


_senders: list[TemplateTestSender] = []


def register_template_test_sender(sender: TemplateTestSender) -> None:
    _senders[:] = [sender]


def get_template_test_sender() -> TemplateTestSender | None:
    """Return the registered sender; None without one."""
    return _senders[0] if _senders else None
