"""Google Ads by the Data Manager API v1: offline conversions (enhanced conversions for leads) and Customer Match.

The Data Manager API has replaced uploads by the Google Ads API, for which new developer tokens are no longer accepted: see
developers.google.com/data-manager/api: reference/rest/v1/events/ingest (at most 2,000 events), audienceMembers/ingest and remove (at most
10,000 members), requestStatus/retrieve. A request with one wrong record is refused as a whole; errors found later are in its status.
"""

import json
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

import jwt
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from customers.destinations.kinds.base import (
    AudienceChange,
    DestinationError,
    DestinationKind,
    DestinationReply,
    SettingField,
    SharedBatch,
    SharedPerson,
    SharedRecord,
)
from customers.destinations.kinds.hashing import compute_sha256, normalize_google_email, normalize_name, normalize_phone
from customers.destinations.kinds.http_client import post, post_json, raise_for_status
from customers.destinations.models import MAX_LIST_ID, DataStream

API_URL = "https://datamanager.googleapis.com/v1"
TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105 — an address
SCOPE = "https://www.googleapis.com/auth/datamanager"
TOKEN_SECONDS = 3600
CONSENT = {"adUserData": "CONSENT_GRANTED", "adPersonalization": "CONSENT_GRANTED"}
FINISHED = ("SUCCESS", "PARTIAL_SUCCESS", "FAILED")


class GoogleAds(DestinationKind):
    """An account of Google Ads: a conversion action, and an audience for each segment."""

    key = "google_ads"
    label = "Google Ads"
    description = gettext_lazy(
        "Reports orders as offline conversions, and keeps Customer Match audiences in sync with segments."
    )
    steps = (
        gettext_lazy(
            "In Google Cloud, enable the Data Manager API, create a service account and download its key as JSON."
        ),
        gettext_lazy("In Google Ads, give the email address of the service account access to the account."),
        gettext_lazy("Create a conversion action of the type Import, and turn on enhanced conversions for leads."),
        gettext_lazy("For audiences, create a customer list for each segment, and note its ID."),
    )
    fields = (
        SettingField("account_id", gettext_lazy("Account ID"), gettext_lazy("Ten digits, without dashes.")),
        SettingField(
            "login_account_id",
            gettext_lazy("Manager account ID"),
            gettext_lazy("Only if you access the account through a manager account."),
            is_required=False,
        ),
        SettingField(
            "conversion_action_id",
            gettext_lazy("Conversion action ID"),
            gettext_lazy("Leave empty to send only audiences."),
            is_required=False,
        ),
        SettingField(
            "audiences",
            gettext_lazy("Audiences"),
            gettext_lazy("A line per segment: its key, a space, and the ID of the customer list."),
            is_required=False,
            is_long=True,
        ),
        SettingField("key_file", gettext_lazy("Service account key (JSON)"), is_secret=True, is_long=True),
    )
    streams = (DataStream.ORDERS.value,)
    task = gettext_lazy("Measures advertising on Google, and shows ads to chosen segments")
    data = gettext_lazy(
        "hashed email address, phone number and name with country; orders with amounts; membership of segments"
    )
    country = "US"
    max_records = 2000
    max_age = timedelta(days=63)
    has_audiences = True
    has_notices = True
    removal_note = gettext_lazy("Removed from audiences. Google keeps conversions that were counted.")

    def __init__(self, options: Mapping[str, Any], credentials: Mapping[str, Any]) -> None:
        super().__init__(options, credentials)
        self._token = ""

    @classmethod
    def clean(cls, values: Mapping[str, Any]) -> None:
        for name in ("account_id", "login_account_id", "conversion_action_id"):
            if values.get(name) and not str(values[name]).isdecimal():
                raise DestinationError(
                    _("Google Ads IDs must contain only digits: %(value)s") % {"value": values[name]}
                )
        read_audiences(str(values.get("audiences") or ""))
        if values.get("key_file"):
            read_key_file(str(values["key_file"]))

    @property
    def address(self) -> str:
        return f"{API_URL}/{self.options['account_id']}"

    def close(self) -> None:
        """Do nothing: connections are closed after each request."""

    def send_test(self) -> str:
        """Let Google check a request without executing it."""
        event = {
            "transactionId": "perennial-test",
            "eventTimestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "eventSource": "WEB",
            "conversionValue": 1,
            "currency": "USD",
            "userData": {"userIdentifiers": [{"emailAddress": compute_sha256("test@example.com")}]},
        }
        if self.options.get("conversion_action_id"):
            self._call("events:ingest", self._wrap_events([event]) | {"validateOnly": True})
        else:
            self._authorize()
        return _("Google accepts the keys and the test event.")

    def find_gap(self, record: SharedRecord) -> str:
        if not self.options.get("conversion_action_id"):
            return _("no conversion action is set")
        if record.content.get("kind") != "sale":
            return _("not a sale")
        if record.content.get("status") == "cancelled":
            return _("canceled")
        return "" if list_user_identifiers(hash_person(record.person)) else _("no email address or phone number")

    def send(self, batch: SharedBatch) -> DestinationReply:
        answer = self._call("events:ingest", self._wrap_events([format_event(record) for record in batch.records]))
        return DestinationReply(reference=str(answer.get("requestId", "")))

    def add_to_audience(self, change: AudienceChange) -> None:
        content = self._wrap_members(change)
        terms = {"customerMatchTermsOfServiceStatus": "ACCEPTED"}
        self._call("audienceMembers:ingest", content | {"consent": CONSENT, "termsOfService": terms})

    def remove_from_audience(self, change: AudienceChange) -> None:
        self._call("audienceMembers:remove", self._wrap_members(change))

    def remove_person(self, content: Mapping[str, Any], key: str) -> bool:
        """Remove a person from all customer lists; return whether they are known."""
        audience_ids = self.options.get("audience_ids", {})
        lists = list(content.get("lists", []))
        # in removals of the last release: the segment instead of the list
        lists += [(audience_ids.get(str(segment_id)), hashes) for segment_id, hashes in content.get("audiences", [])]
        for list_id, hashes in lists:
            if list_id:
                self.remove_from_audience(AudienceChange(list_id, [hashes]))
        return all(list_id for list_id, _hashes in lists)

    def read_notice(self, reference: str) -> str | None:
        headers = {"Authorization": f"Bearer {self._authorize()}"}
        answer = post(f"{API_URL}/requestStatus:retrieve?requestId={quote(reference)}", b"", headers, method="GET")
        raise_for_status(answer, read_message(answer.read_json()))
        notices = []
        for status in answer.read_json().get("requestStatusPerDestination", []):
            if status.get("requestStatus") not in FINISHED:
                return None
            counts = [*status.get("errorInfo", {}).get("errorCounts", [])]
            counts += status.get("warningInfo", {}).get("warningCounts", [])
            notices += [f"{count.get('reason', '')}: {count.get('recordCount', 0)}" for count in counts]
        return "; ".join(notices)[:500]

    def _wrap_events(self, events: list[dict[str, Any]]) -> dict[str, Any]:
        target = self._format_target(str(self.options["conversion_action_id"]))
        return {"destinations": [target], "events": events, "consent": CONSENT, "encoding": "HEX"}

    def _wrap_members(self, change: AudienceChange) -> dict[str, Any]:
        members = [{"userData": {"userIdentifiers": list_user_identifiers(person)}} for person in change.people]
        return {"destinations": [self._format_target(change.list_id)], "audienceMembers": members, "encoding": "HEX"}

    def _format_target(self, target_id: str) -> dict[str, Any]:
        target: dict[str, Any] = {
            "operatingAccount": {"accountType": "GOOGLE_ADS", "accountId": str(self.options["account_id"])},
            "productDestinationId": target_id,
        }
        if login := self.options.get("login_account_id"):
            target["loginAccount"] = {"accountType": "GOOGLE_ADS", "accountId": str(login)}
        return target

    def _call(self, method: str, content: Mapping[str, Any]) -> dict[str, Any]:
        answer = post_json(f"{API_URL}/{method}", content, {"Authorization": f"Bearer {self._authorize()}"})
        raise_for_status(answer, read_message(answer.read_json()))
        return answer.read_json()

    def _authorize(self) -> str:
        """Return an access token for the service account (RFC 7523)."""
        if not self._token:
            key, now = read_key_file(str(self.credentials["key_file"])), int(time.time())
            claims = {
                "iss": key["client_email"],
                "scope": SCOPE,
                "aud": TOKEN_URL,
                "iat": now,
                "exp": now + TOKEN_SECONDS,
            }
            try:
                assertion = jwt.encode(claims, key["private_key"], algorithm="RS256")
            except (ValueError, TypeError, jwt.PyJWTError) as error:
                raise DestinationError(_("The key file of the service account has no valid private key.")) from error
            form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
            answer = post(TOKEN_URL, urlencode(form).encode(), {"Content-Type": "application/x-www-form-urlencoded"})
            content = answer.read_json()
            if answer.status == 400:
                message = content.get("error_description") or content.get("error")
                raise DestinationError(_("Google rejects the service account: %(reason)s") % {"reason": message})
            raise_for_status(answer)
            self._token = str(content.get("access_token", ""))
        return self._token


def read_key_file(text: str) -> dict[str, str]:
    """Return the email address and key of a service account. Raises DestinationError."""
    try:
        content = json.loads(text)
    except ValueError as error:
        raise DestinationError(_("The service account key is not valid JSON.")) from error
    if not isinstance(content, dict) or not (content.get("client_email") and content.get("private_key")):
        raise DestinationError(_("The key file lacks client_email or private_key."))
    return {"client_email": str(content["client_email"]), "private_key": str(content["private_key"])}


def read_audiences(text: str) -> dict[str, str]:
    """Return segment key to ID of the customer list. Raises DestinationError."""
    pairs = [line.split() for line in text.splitlines() if line.strip()]
    for pair in pairs:
        if len(pair) != 2 or not pair[1].isdecimal() or len(pair[1]) > MAX_LIST_ID:
            line = " ".join(pair)
            raise DestinationError(_("Each line must be a segment key, a space and digits: %(line)s") % {"line": line})
    return dict(pairs)


def hash_person(person: SharedPerson) -> dict[str, list[str]]:
    """Return the hashed identifiers of a person. Google expects phone numbers with a leading plus."""
    phone = normalize_phone(person.phone, person.country)
    first, _space, last = normalize_name(person.name).partition(" ")
    hashes = {
        "email": [compute_sha256(normalize_google_email(person.email))],
        "phone": [compute_sha256(f"+{phone}" if phone else "")],
        "name": [compute_sha256(first), compute_sha256(last), person.country.strip().upper()]
        if first and last
        else [""],
    }
    return {kind: values for kind, values in hashes.items() if values[0]}


def list_user_identifiers(hashes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the identifiers of a user for Google; a name alone, without a postal code, identifies nobody."""
    identifiers: list[dict[str, Any]] = [{"emailAddress": text} for text in hashes.get("email", [])]
    return identifiers + [{"phoneNumber": text} for text in hashes.get("phone", [])]


def format_event(record: SharedRecord) -> dict[str, Any]:
    """Return an offline conversion; Google counts a transactionId once per conversion action."""
    return {
        "transactionId": str(record.content["order_id"]),
        "eventTimestamp": record.occurred_at.isoformat(),
        "eventSource": "WEB",
        "conversionValue": float(record.content["total"]),
        "currency": record.content["currency"],
        "userData": {"userIdentifiers": list_user_identifiers(hash_person(record.person))},
    }


def read_message(content: Mapping[str, Any]) -> str:
    """Return the message of an error with the fields that it names."""
    error = content.get("error")
    if not isinstance(error, dict):
        return ""
    details = [detail for detail in error.get("details", []) if isinstance(detail, dict)]
    fields = [
        f"{violation.get('field', '')}: {violation.get('description', '')}"
        for detail in details
        for violation in detail.get("fieldViolations", [])
    ]
    return "; ".join([str(error.get("message", "")), *fields])[:400]
