"""The shape of a channel: whom it reaches, and how a message becomes a job of the delivery process."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from recommendations.sending.transport.journal import SendResult


@dataclass(frozen=True)
class OutgoingMessage:
    """A rendered message to one address.

    links: name to URL, such as "unsubscribe". fields: what channels without an address get, such as a webhook.
    """

    delivery_id: int
    attempt: int
    customer_id: int
    origin_kind: str
    origin_id: int
    channel: str
    recipient: str
    language: str
    subject: str
    html: str
    text: str
    is_transactional: bool
    links: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SendJob:
    """A job of the delivery process: its header, without id and attempt, and its body."""

    header: dict[str, Any]
    body: bytes = b""


class ChannelAdapter(Protocol):
    """A way to reach customers; a new one is a file of this folder with a line in the registry.

    key: a channel of messaging. purpose: the consent that a message needs, or "". address: the field of the customer that it is sent
    to, or "". has_quiet_hours: whether a message can disturb somebody. is_idempotent: whether the provider sends a message once, however
    often it gets it with the same key, so that one whose answer is missing can be repeated. monthly_limit: messages to a customer in a
    calendar month that the provider allows; 0 for no limit.
    """

    @property
    def key(self) -> str: ...

    @property
    def purpose(self) -> str: ...

    @property
    def address(self) -> str: ...

    @property
    def has_quiet_hours(self) -> bool: ...

    @property
    def is_idempotent(self) -> bool: ...

    @property
    def monthly_limit(self) -> int: ...

    def uses_outbox(self) -> bool:
        """Return whether messages go to the outbox: in demo mode, and without a provider."""

    def get_process_options(self) -> dict[str, Any]:
        """Return what the delivery process needs before the first job."""

    def build_job(self, message: OutgoingMessage) -> SendJob:
        """Return the job that sends the message."""

    def read_result(self, result: SendResult) -> SendResult:
        """Return the result with the provider's answer understood."""
