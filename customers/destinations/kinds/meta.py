"""Meta Conversions API, Graph API v26.0: purchases with hashed identifiers.

developers.facebook.com/docs/marketing-api/conversions-api: using-the-api (at most 1,000 events; one wrong event refuses the whole request;
event_time at most 7 days ago), parameters/server-event (event_id, action_source) and parameters/customer-information-parameters.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from customers.destinations.kinds.base import (
    BatchRefusedError,
    DestinationError,
    DestinationKind,
    DestinationReply,
    SettingField,
    SharedBatch,
    SharedPerson,
    SharedRecord,
    UnreachableError,
)
from customers.destinations.kinds.hashing import compute_sha256, normalize_email, normalize_name, normalize_phone
from customers.destinations.kinds.http_client import DestinationResponse, post_json, raise_for_status, read_wait
from customers.destinations.models import DataStream

GRAPH_URL = "https://graph.facebook.com/v26.0"
# codes of errors of the Graph API: limits and temporary faults, and tokens or permissions
WAITING_CODES = frozenset({1, 2, 4, 17, 32, 341, 613, 80004})
TOKEN_CODES = frozenset({10, 102, 190, 200, 803})


class MetaConversions(DestinationKind):
    """The data set (pixel) of an advertising account of Meta."""

    key = "meta"
    label = "Meta Conversions API"
    description = gettext_lazy("Reports purchases to Facebook and Instagram, so that ads are measured and optimized.")
    steps = (
        gettext_lazy("In Meta's Events Manager, open the dataset (pixel) and its settings."),
        gettext_lazy("Under Conversions API, generate an access token, and copy it together with the dataset ID."),
        gettext_lazy(
            "If the pixel reports purchases too, have it send the order ID as eventID: Meta then counts each purchase only once."
        ),
    )
    fields = (
        SettingField("pixel_id", gettext_lazy("Dataset ID")),
        SettingField("access_token", gettext_lazy("Access token"), is_secret=True),
        SettingField(
            "test_event_code",
            gettext_lazy("Test event code"),
            gettext_lazy("From Events Manager › Test events. Only the test event uses it."),
            is_required=False,
        ),
    )
    streams = (DataStream.ORDERS.value,)
    task = gettext_lazy("Measures advertising on Facebook and Instagram")
    data = gettext_lazy(
        "hashed email address, phone number, name, country and user ID; orders with products and amounts"
    )
    country = "US"
    max_records = 500
    max_age = timedelta(days=7)
    removal_note = gettext_lazy(
        "Meta cannot delete individual events. It deletes them automatically according to its terms."
    )

    @classmethod
    def clean(cls, values: Mapping[str, Any]) -> None:
        if not str(values.get("pixel_id", "")).isdecimal():
            raise DestinationError(_("The dataset ID must contain only digits."))

    @property
    def address(self) -> str:
        return f"{GRAPH_URL}/{self.options['pixel_id']}"

    def close(self) -> None:
        """Do nothing: connections are closed after each request."""

    def send_test(self) -> str:
        code = str(self.options.get("test_event_code") or "")
        if not code:
            raise DestinationError(_("Enter the test event code first; otherwise the event would be counted."))
        event = {
            "event_name": "Purchase",
            "event_time": int(timezone.now().timestamp()),
            "event_id": "perennial-test",
            "action_source": "website",
            "event_source_url": "https://example.com/",
            "user_data": {"em": [compute_sha256("test@example.com")], "client_user_agent": "Perennial"},
            "custom_data": {"currency": "USD", "value": 1},
        }
        answer = self._post({"data": [event], "test_event_code": code})
        return _("%(count)s event received") % {"count": answer.get("events_received", 0)}

    def find_gap(self, record: SharedRecord) -> str:
        if record.content.get("kind") != "sale":
            return _("not a sale")
        if record.content.get("status") == "cancelled":
            return _("canceled")
        return (
            ""
            if self.format_person(record.person).keys() - {"country"}
            else _("no email address, phone number or user ID")
        )

    def send(self, batch: SharedBatch) -> DestinationReply:
        answer = self._post({"data": [self.format_event(record) for record in batch.records]})
        return DestinationReply(reference=str(answer.get("fbtrace_id", "")))

    def format_event(self, record: SharedRecord) -> dict[str, Any]:
        """Return a purchase. event_id is the order ID, which the pixel sends too."""
        content = record.content
        contents = [
            {"id": line["product_id"], "quantity": line["quantity"], "item_price": line["unit_price"]}
            for line in content.get("lines", [])
        ]
        return {
            "event_name": "Purchase",
            "event_time": int(record.occurred_at.timestamp()),
            "event_id": str(content["order_id"]),
            "action_source": "system_generated",
            "user_data": self.format_person(record.person),
            "custom_data": {
                "currency": content["currency"],
                "value": content["total"],
                "order_id": str(content["order_id"]),
                "content_type": "product",
                "contents": contents,
            },
        }

    @staticmethod
    def format_person(person: SharedPerson) -> dict[str, list[str]]:
        """Return the hashed identifiers; those that are not known are missing."""
        first, _space, last = normalize_name(person.name).partition(" ")
        fields = {
            "em": normalize_email(person.email),
            "ph": normalize_phone(person.phone, person.country),
            "fn": first if last else "",
            "ln": last.replace(" ", ""),
            "country": person.country.strip().lower() if len(person.country.strip()) == 2 else "",
            "external_id": person.user_id,
        }
        return {name: [compute_sha256(text)] for name, text in fields.items() if text}

    def _post(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """Send events. The token is in the body, so that it does not appear in logs of URLs."""
        url = f"{GRAPH_URL}/{quote(str(self.options['pixel_id']))}/events"
        answer = post_json(url, {**content, "access_token": str(self.credentials["access_token"])}, {})
        if answer.status != 200:
            raise_graph_error(answer)
        return answer.read_json()


def raise_graph_error(answer: DestinationResponse) -> None:
    """Raise the exception for an error of the Graph API, by its code, because the status is often too general."""
    error = answer.read_json().get("error")
    details = error if isinstance(error, dict) else {}
    code, message = details.get("code"), str(details.get("error_user_msg") or details.get("message") or "")
    text = f"HTTP {answer.status}: {message} ({code})"[:500]
    if code in WAITING_CODES or details.get("is_transient"):
        raise UnreachableError(text, retry_after=read_wait(answer.headers.get("retry-after", "")))
    if code in TOKEN_CODES:
        raise DestinationError(text)
    if code is not None and answer.status == 400:
        raise BatchRefusedError(text)
    raise_for_status(answer, message)
    raise BatchRefusedError(text)
