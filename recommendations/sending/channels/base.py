"""The interface of a channel: whom it reaches, and how a message becomes a job of the delivery process."""

from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from recommendations.sending.transport.journal import SendResult


@dataclass(frozen=True)
class OutgoingMessage:
    """A rendered message to one address.

    links: name to URL, such as "unsubscribe". fields: the data for channels without an address, such as a webhook. recipients: those of a
    batch, to whom one request sends the same content.
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
    recipients: tuple[str, ...] = ()

    @property
    def all_recipients(self) -> tuple[str, ...]:
        return self.recipients or (self.recipient,)


@dataclass(frozen=True)
class ContactLimit:
    """How many messages of a channel a provider lets a customer get in a calendar period. messages: 0 means as many as the month has days."""

    messages: int
    period: str  # day, week or month

    def find_start(self, local_now: datetime) -> datetime:
        """Return when the period of a moment began, in its time zone."""
        midnight = local_now.replace(hour=0, minute=0, second=0, microsecond=0)
        if self.period == "week":
            return midnight - timedelta(days=midnight.weekday())
        return midnight.replace(day=1) if self.period == "month" else midnight

    def count_messages(self, local_now: datetime) -> int:
        return self.messages or monthrange(local_now.year, local_now.month)[1]


@dataclass(frozen=True)
class SendJob:
    """A job of the delivery process: its header, without id and attempt, and its body."""

    header: dict[str, Any]
    body: bytes = b""


class ChannelAdapter(Protocol):
    """A way to reach customers; a new one is a file of this folder with a line in the registry.

    key: a channel of messaging. purpose: the consent that a message needs, or "". address: the field of the customer that it is sent
    to, or "". has_quiet_hours: whether a message can disturb someone. is_idempotent: whether the provider sends a message only once,
    however often it gets it with the same key, so that a message without an answer can be sent again. contact_limit: how many messages
    the provider lets a customer get.
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
    def contact_limit(self) -> ContactLimit | None: ...

    def uses_outbox(self) -> bool:
        """Return whether messages go to the outbox: in demo mode, and without a provider."""

    def get_process_options(self) -> dict[str, Any]:
        """Return what the delivery process needs before the first job."""

    def group_messages(self, messages: Sequence[OutgoingMessage]) -> list[list[OutgoingMessage]]:
        """Return the messages in groups, each of which is sent in one request."""

    def build_job(self, message: OutgoingMessage) -> SendJob:
        """Return the job that sends the message."""

    def read_result(self, result: SendResult) -> SendResult:
        """Return the result with the provider's answer interpreted."""
