"""The registry of who sends test messages: the sending room, which this one does not import."""

from typing import Protocol

from django.http import HttpRequest

from recommendations.messaging.models import TemplateVersion


class TestMessageSender(Protocol):
    """Sends a version to an address, as a customer would get it; returns the problem, or ""."""

    def __call__(
        self, *, request: HttpRequest, version: TemplateVersion, language: str, customer_id: int | None, address: str
    ) -> str: ...


_senders: list[TestMessageSender] = []


def register_test_sender(sender: TestMessageSender) -> None:
    _senders[:] = [sender]


def get_test_sender() -> TestMessageSender | None:
    """Return the registered sender; None without one."""
    return _senders[0] if _senders else None
