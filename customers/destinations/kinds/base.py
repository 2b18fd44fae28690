"""The interface of a destination, which each kind implements in its own file."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from django.utils.functional import Promise


class DestinationError(Exception):
    """The destination refuses because of its settings or keys; only a person can fix it."""


class BatchRefusedError(Exception):
    """The destination refuses the content of a request."""


class UnreachableError(Exception):
    """The destination does not answer, or asks to wait. retry_after: seconds to wait; 0 if it did not say."""

    def __init__(self, message: str, *, retry_after: float = 0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True)
class SettingField:
    """A field of the form of a destination.

    Attributes:
        is_long: a text of several lines, such as a key file.
        is_address: secrets are sent to the server with this address, so they are not kept for another one. The secret of a webhook is not
            sent: it only signs.
    """

    name: str
    label: str | Promise
    help_text: str | Promise = ""
    is_required: bool = True
    is_secret: bool = False
    is_long: bool = False
    is_flag: bool = False
    is_address: bool = False


@dataclass(frozen=True)
class SharedPerson:
    """What is known of a customer who allows sharing; personal fields are in plain text and only sent hashed."""

    customer_id: int
    user_id: str = ""
    email: str = ""
    phone: str = ""
    name: str = ""
    country: str = ""


@dataclass(frozen=True)
class SharedRecord:
    """A record to be sent. id: unique in the destination, so that the receiver recognizes repetitions."""

    id: str
    stream: str
    occurred_at: datetime
    person: SharedPerson
    content: Mapping[str, Any]


@dataclass(frozen=True)
class SharedBatch:
    """The records of one request, under an ID that stays the same when they are sent again."""

    key: str
    stream: str
    records: Sequence[SharedRecord]


@dataclass
class DestinationReply:
    """The reply of the destination. refused: record ID to reason. reference: the destination's ID of the request."""

    refused: dict[str, str] = field(default_factory=dict)
    reference: str = ""


@dataclass(frozen=True)
class AudienceChange:
    """People to add to, or to remove from, a customer list; each with the hashed identifiers."""

    list_id: str
    people: Sequence[Mapping[str, Sequence[str]]]


class DestinationKind(ABC):
    """A kind of destination. An instance is for one destination.

    Attributes:
        streams: what it can receive. max_records: of one request.
        max_age: older records are left out, because the destination refuses them.
        has_notices: whether it reports the result of a request later. removal_note: what happens after an erasure.
        country, task, data: for the records of recipients.
    """

    do_not_call_in_templates: ClassVar = True  # otherwise Django's templates would create an instance
    key: ClassVar[str]
    label: ClassVar[str | Promise]
    description: ClassVar[str | Promise]
    steps: ClassVar[tuple[str | Promise, ...]]
    fields: ClassVar[tuple[SettingField, ...]]
    streams: ClassVar[tuple[str, ...]]
    task: ClassVar[str | Promise]
    data: ClassVar[str | Promise]
    country: ClassVar[str] = ""
    max_records: ClassVar[int] = 100
    max_age: ClassVar[timedelta | None] = None
    has_audiences: ClassVar[bool] = False
    has_notices: ClassVar[bool] = False
    removal_note: ClassVar[str | Promise] = ""

    @classmethod
    def describe_risk(cls, options: Mapping[str, Any]) -> str:
        """Return a warning about settings that are not safe; by default none."""
        return ""

    def __init__(self, options: Mapping[str, Any], credentials: Mapping[str, Any]) -> None:
        self.options, self.credentials = options, credentials

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    @classmethod  # noqa: B027 — a kind may have nothing to check
    def clean(cls, values: Mapping[str, Any]) -> None:
        """Check the fields of the form. Raises DestinationError."""

    @property
    @abstractmethod
    def address(self) -> str:
        """The address that the circuit breaker is named after."""

    @abstractmethod
    def close(self) -> None:
        """Close the connections."""

    @abstractmethod
    def send_test(self) -> str:
        """Send a test event that is not counted; return what the destination said. Raises DestinationError, UnreachableError."""

    @abstractmethod
    def send(self, batch: SharedBatch) -> DestinationReply:
        """Send a batch. Raises DestinationError, BatchRefusedError, UnreachableError."""

    def find_gap(self, record: SharedRecord) -> str:
        """Return why a record cannot be sent, such as a missing email address; empty if it can."""
        return ""

    def add_to_audience(self, change: AudienceChange) -> None:
        """Add people to a customer list; repeated, it changes nothing."""
        raise NotImplementedError

    def remove_from_audience(self, change: AudienceChange) -> None:
        """Remove people from a customer list; repeated, it changes nothing."""
        raise NotImplementedError

    def remove_person(self, content: Mapping[str, Any], key: str) -> bool:
        """Pass an erasure on; return whether that is possible."""
        return False

    def read_notice(self, reference: str) -> str | None:
        """Return what the destination reports about a request later; None if it has not reported yet."""
        return ""
