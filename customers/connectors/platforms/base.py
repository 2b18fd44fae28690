"""The interface of a connector, which each platform implements in its own file."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Self

from django.utils.functional import Promise


class PlatformError(Exception):
    """The platform refuses; only a person can fix it. The message says what is wrong and how to fix it."""


class TemporaryError(PlatformError):
    """A temporary error: the platform does not answer, or asks to wait; the same request works later.

    retry_after: the seconds to wait; 0 if the platform did not say.
    """

    def __init__(self, message: str, *, retry_after: float = 0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True)
class CredentialField:
    """A field of the form in which someone enters the keys."""

    name: str
    label: str | Promise
    help_text: str | Promise = ""
    is_required: bool = True
    is_secret: bool = True


@dataclass(frozen=True)
class ShopFacts:
    """What the platform reports about the shop. notes: what works only in part, and how to change that."""

    name: str
    currency: str
    notes: tuple[str | Promise, ...] = ()


@dataclass(frozen=True)
class MappedRecord:
    """A record of a platform in our fields.

    Attributes:
        external_id: the platform's ID. updated_at: the platform's time of the last change.
        items: the fields of ``upsert_products`` (one per variant), of customers, or of ``upsert_orders``.
        consents: purpose to whether it was given, of a customer.
        is_skipped: a record that is no sale, such as a test order; an order that was one before is canceled.
        is_group: the items are all the variants of a product, whose ID is their ``parent_id``; others were removed from it.
    """

    external_id: str
    updated_at: datetime | None
    items: Sequence[Mapping[str, Any]] = ()
    consents: Mapping[str, bool] = field(default_factory=dict)
    is_skipped: bool = False
    is_group: bool = False


@dataclass(frozen=True)
class RecordPage:
    """Some records, and the position after them, from which a killed run continues. total: of all records, if known."""

    records: Sequence[MappedRecord]
    cursor: Mapping[str, Any]
    total: int | None = None


@dataclass(frozen=True)
class WebhookNotice:
    """What a webhook reports. record: the whole record, if the webhook has it; otherwise it is fetched."""

    delivery_id: str
    topic: str
    kind: str = ""
    external_id: str = ""
    is_deletion: bool = False
    changed_at: datetime | None = None
    has_record: bool = False


@dataclass
class ShopAccess:
    """The address and the keys of a shop; ``save`` stores changed keys, such as a new access token."""

    address: str
    credentials: dict[str, Any]
    save: Callable[[dict[str, Any]], None] = lambda credentials: None
    scratch_name: str = "shop"


class Connector(ABC):
    """A platform. An instance is for one shop.

    Attributes:
        has_webhooks: otherwise changes are read every few minutes.
        has_global_ids: no other shop has the same IDs; otherwise only one such shop can be connected.
        address_help: what to enter as the address.
    """

    do_not_call_in_templates: ClassVar = True  # otherwise, Django's templates would call the class
    key: ClassVar[str]
    label: ClassVar[str]
    description: ClassVar[str | Promise]
    address_label: ClassVar[str | Promise]
    address_help: ClassVar[str | Promise]
    steps: ClassVar[tuple[str | Promise, ...]]
    fields: ClassVar[tuple[CredentialField, ...]]
    has_webhooks: ClassVar[bool] = True
    has_global_ids: ClassVar[bool] = False

    def __init__(self, access: ShopAccess) -> None:
        self.access = access

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Close the connections to the platform."""

    @abstractmethod
    def interrupt(self) -> None:
        """Cut off the request that another thread is waiting for; no further one is sent."""

    @classmethod
    @abstractmethod
    def clean_address(cls, text: str) -> str:
        """Return the address in one form. Raises PlatformError."""

    @abstractmethod
    def authorise(self) -> ShopFacts:
        """Check the keys. Raises PlatformError, which says what is wrong and how to fix it."""

    @abstractmethod
    def count_records(self, kind: str) -> int | None:
        """Return how many records the shop has; None if the platform does not say."""

    @abstractmethod
    def read_sample(self, kind: str) -> Sequence[MappedRecord]:
        """Return a few records, to preview what an import would do."""

    @abstractmethod
    def iterate_pages(
        self, kind: str, cursor: Mapping[str, Any], *, since: datetime | None = None
    ) -> Iterator[RecordPage]:
        """Yield the records from a position on; ``since``: only those that have changed."""

    @abstractmethod
    def fetch_records(self, kind: str, ids: Collection[str]) -> Sequence[MappedRecord]:
        """Return records by ID; those that no longer exist, or that the platform hides, are missing."""

    def find_horizon(self, kind: str, *, at: datetime) -> datetime | None:
        """Return the time before which the platform hides records, so that their absence says nothing; None if it hides none."""
        return None

    def resolve_ids(self, kind: str, ids: Collection[str]) -> Mapping[str, str]:
        """Return the IDs of records by the IDs in webhooks, which may be those of a part of a record."""
        return {external_id: external_id for external_id in ids}

    def subscribe(self, url: str, existing: Mapping[str, str]) -> dict[str, str]:
        """Register webhooks, and return topic to ID. Those of ``existing`` that still work are kept."""
        return {}

    def unsubscribe(self, existing: Mapping[str, str]) -> None:  # noqa: B027 — a platform may have no webhooks
        """Remove our webhooks."""

    def is_genuine(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Return whether the platform has signed a webhook; compared in constant time."""
        return False

    def read_notice(self, headers: Mapping[str, str], body: bytes) -> WebhookNotice | None:
        """Return what a webhook reports; None if there is nothing to do. Raises ValueError if the body is not valid."""
        return None

    def map_record(self, kind: str, payload: Mapping[str, Any]) -> MappedRecord:
        """Return the record of a webhook whose notice ``has_record``."""
        raise NotImplementedError
