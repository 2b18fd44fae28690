"""Tables of a relational database: what those of each system have in common."""

import re
import ssl
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.files.safe_download import DownloadError, find_address
from customers.destinations.kinds.base import (
    DestinationError,
    DestinationKind,
    DestinationReply,
    SettingField,
    SharedBatch,
    SharedRecord,
    UnreachableError,
)
from customers.destinations.models import DataStream

CONNECT_SECONDS, STATEMENT_MS = 3, 6000
PERSON = {"customer_id": "bigint", "user_id": "text"}
MONEY = "numeric(14,2)"
# table → column → type; a column that is new here is added to existing tables
TABLES: Mapping[str, Mapping[str, str]] = {
    "orders": {
        "id": "bigint", **PERSON, "placed_at": "timestamptz", "order_id": "text", "kind": "text", "status": "text", "currency": "text",
        "subtotal": MONEY, "discount": MONEY, "shipping": MONEY, "tax": MONEY, "total": MONEY, "refunded": MONEY, "coupon": "text",
        "lines": "jsonb",
    },
    "events": {
        "id": "bigint", **PERSON, "occurred_at": "timestamptz", "type": "text", "name": "text", "product_ids": "jsonb", "value": MONEY,
        "currency": "text", "properties": "jsonb",
    },
    "stage_changes": {
        "id": "bigint", **PERSON, "occurred_at": "timestamptz", "from": "text", "to": "text", "reason": "text",
    },
    "segment_entries": {"id": "bigint", **PERSON, "occurred_at": "timestamptz", "segment": "text", "name": "text"},
    "consents": {
        "id": "bigint", **PERSON, "occurred_at": "timestamptz", "type": "text", "purpose": "text", "policy_version": "text",
    },
}  # fmt: skip
# of OpenSSL, and of libpq
CERTIFICATE_ERROR = re.compile(r"certificate verify failed|server certificate for|root certificate", re.IGNORECASE)
CERTIFICATE_FIELDS = (
    SettingField(
        "ca_certificate",
        gettext_lazy("CA certificate"),
        gettext_lazy(
            "In PEM format. Only for a certificate that your own authority, or your provider's, has issued. Empty: public authorities."
        ),
        is_required=False,
        is_long=True,
    ),
    SettingField(
        "skips_verification",
        gettext_lazy("Do not verify the certificate"),
        gettext_lazy("Not recommended: anyone who controls the network in between can read the password and all data."),
        is_required=False,
        is_flag=True,
    ),
)


class SqlTables(DestinationKind):
    """A database with a table for each kind of data; orders are current, everything else is appended.

    Attributes:
        default_port: where the field is empty.
    """

    default_port: int
    streams = tuple(DataStream.values)
    task = gettext_lazy("Stores data in a database for analyses")
    data = gettext_lazy("user ID, orders, events, stage changes, segments and consents, as chosen")
    max_records = 1000
    removal_note = gettext_lazy("The rows of the customer were deleted.")

    @classmethod
    def clean(cls, values: Mapping[str, Any]) -> None:
        port = str(values.get("port") or cls.default_port)
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise DestinationError(_("A port is a number up to 65535: %(value)s") % {"value": port})
        certificate = str(values.get("ca_certificate") or "")
        if certificate and values.get("skips_verification"):
            raise DestinationError(_("Enter a CA certificate, or do not verify the certificate; not both."))
        if certificate:
            try:
                ssl.create_default_context(cadata=certificate)
            except (ValueError, ssl.SSLError) as error:
                raise DestinationError(
                    _("CA certificate: this is not in PEM format, which begins with -----BEGIN CERTIFICATE-----.")
                ) from error

    @classmethod
    def describe_risk(cls, options: Mapping[str, Any]) -> str:
        if not options.get("skips_verification"):
            return ""
        return _(
            "The certificate of this database is not verified: anyone who controls the network in between can read the password and all data."
        )

    @property
    def ca_certificate(self) -> str:
        return str(self.options.get("ca_certificate") or "")

    @property
    def verifies(self) -> bool:
        """Whether the certificate is verified; a private host may have none, unless its authority was entered."""
        return bool(self.ca_certificate) or not (self.is_private or self.options.get("skips_verification"))

    @property
    def host(self) -> str:
        return str(self.options["host"])

    @property
    def port(self) -> int:
        return int(self.options.get("port") or self.default_port)

    @property
    def is_private(self) -> bool:
        """Whether an operator has allowed the host by its name; only such a host may be reached without TLS."""
        return self.host in settings.WEBHOOK_PRIVATE_HOSTS

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def close(self) -> None:
        """Do nothing: connections are closed after each batch."""

    def send_test(self) -> str:
        """Create the tables; nothing is written into them."""
        with self._connect() as link:
            for table in TABLES:
                self._ensure_table(link, table)
        return _("the tables exist")

    def send(self, batch: SharedBatch) -> DestinationReply:
        table = "orders" if batch.stream == DataStream.ORDER_CHANGES else batch.stream
        rows = {row["id"]: row for row in (format_row(table, record) for record in batch.records)}
        with self._connect() as link:
            self._ensure_table(link, table)
            self._upsert(link, table, list(rows.values()))
        return DestinationReply()

    def remove_person(self, content: Mapping[str, Any], key: str) -> bool:
        with self._connect() as link:
            for table in TABLES:
                self._ensure_table(link, table)
                self._delete_customers(link, table, list(content["customer_ids"]))
        return True

    def _find_host_address(self) -> str:
        """Return the address to connect to. Raises DestinationError if it may not be used."""
        try:
            return find_address(urlsplit(f"https://{self.host}:{self.port}"), frozenset(settings.WEBHOOK_PRIVATE_HOSTS))
        except DownloadError as error:
            raise DestinationError(str(error)) from error
        except OSError as error:
            raise UnreachableError(str(error)) from error

    @abstractmethod
    def _connect(self) -> AbstractContextManager[Any]:
        """Open a connection to a checked address, whose transaction ends with the block."""

    @abstractmethod
    def _ensure_table(self, link: Any, table: str) -> None:
        """Create a table, or add the columns that it lacks."""

    @abstractmethod
    def _upsert(self, link: Any, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows, of which some may be there already."""

    @abstractmethod
    def _delete_customers(self, link: Any, table: str, customer_ids: Sequence[int]) -> None:
        """Delete the rows of customers."""


def explain_certificate_error(text: str) -> DestinationError | None:
    """Return what to do about a certificate that could not be verified; None for any other error."""
    if not CERTIFICATE_ERROR.search(text):
        return None
    advice = _(
        "Enter the CA certificate of the database and the host that it is issued for in the settings, or turn on “Do not verify the certificate”."
    )
    return DestinationError(f"{text} {advice}")


def format_row(table: str, record: SharedRecord) -> dict[str, Any]:
    """Return the columns of a record; an order is identified by its own number, whatever change is sent."""
    content = dict(record.content)
    number = content["number"] if table == "orders" else int(record.id.rpartition("-")[2])
    row = {"id": number, "customer_id": record.person.customer_id, "user_id": record.person.user_id}
    row |= {"occurred_at": record.occurred_at} | {key: value for key, value in content.items() if key != "number"}
    return row
