"""Plays the systems that destinations send to.

Webhooks: Standard Webhooks 1.0. Meta: Conversions API of Graph API v26.0. Google: Data Manager API v1 (events:ingest, audienceMembers:ingest
and :remove, requestStatus:retrieve) with tokens for service accounts. Each refuses what the published schema does not allow.
"""

import base64
import hmac
import json
from hashlib import sha256
from typing import Any

from tests.customers.connectors.platforms.platform_server import Answer, Call, PlatformServer

HEX = frozenset("0123456789abcdef")


class Receiver(PlatformServer):
    """Answers as the system whose path is called."""

    def __init__(self) -> None:
        super().__init__()
        self.secret = ""
        self.bad_orders: set[str] = set()
        self.items: list[dict[str, Any]] = []
        self.lists: dict[str, set[str]] = {}
        self.request_status: dict[str, Any] = {"requestStatus": "SUCCESS"}

    def respond(self, call: Call) -> Answer:
        if call.path == "/hook":
            return self.answer_webhook(call)
        if call.path.startswith("/graph/"):
            return self.answer_meta(call)
        if call.path == "/token":
            return Answer(200, {"access_token": "token-1", "expires_in": 3599, "token_type": "Bearer"})
        return self.answer_google(call)

    def answer_webhook(self, call: Call) -> Answer:
        identifier, timestamp = call.headers["webhook-id"], call.headers["webhook-timestamp"]
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        digest = hmac.new(key, f"{identifier}.{timestamp}.".encode() + call.body, sha256).digest()
        if call.headers["webhook-signature"] != f"v1,{base64.b64encode(digest).decode()}":
            return Answer(401, {"error": "wrong signature"})
        self.items += json.loads(call.body)["items"]
        return Answer(204, b"")

    def answer_meta(self, call: Call) -> Answer:
        content = json.loads(call.body)
        if content["access_token"] != "good":
            error = {
                "message": "Invalid OAuth access token.",
                "type": "OAuthException",
                "code": 190,
                "fbtrace_id": "A1",
            }
            return Answer(400, {"error": error})
        for event in content["data"]:
            assert event.keys() >= {"event_name", "event_time", "event_id", "action_source", "user_data", "custom_data"}
            assert all(
                len(text) == 64 and set(text) <= HEX for values in event["user_data"].values() for text in values
            )
            if event["event_id"] in self.bad_orders:
                error = {"message": "Invalid parameter", "type": "OAuthException", "code": 100, "fbtrace_id": "A2"}
                return Answer(400, {"error": {**error, "error_user_msg": "The currency is not valid."}})
        self.items += content["data"]
        return Answer(200, {"events_received": len(content["data"]), "messages": [], "fbtrace_id": "A3"})

    def answer_google(self, call: Call) -> Answer:
        assert call.headers["authorization"] == "Bearer token-1"
        if call.path.endswith("requestStatus:retrieve"):
            return Answer(200, {"requestStatusPerDestination": [self.request_status]})
        content = json.loads(call.body)
        [target] = content["destinations"]
        assert target["operatingAccount"] == {"accountType": "GOOGLE_ADS", "accountId": "1234567890"}
        assert content["encoding"] == "HEX"
        if call.path.endswith("events:ingest"):
            for number, event in enumerate(content["events"]):
                if event["transactionId"] in self.bad_orders:
                    return Answer(400, make_google_error(f"events.events[{number}].currency"))
            self.items += content["events"]
            return Answer(200, {"requestId": "request-1"})
        emails = {
            identifier["emailAddress"]
            for member in content["audienceMembers"]
            for identifier in member["userData"]["userIdentifiers"]
            if "emailAddress" in identifier
        }
        known = self.lists.setdefault(target["productDestinationId"], set())
        if call.path.endswith("audienceMembers:ingest"):
            assert content["termsOfService"] == {"customerMatchTermsOfServiceStatus": "ACCEPTED"}
            assert content["consent"]["adUserData"] == "CONSENT_GRANTED"
            known |= emails
        else:
            assert call.path.endswith("audienceMembers:remove")
            known -= emails
        return Answer(200, {"requestId": "request-2"})


def make_google_error(field: str) -> dict[str, Any]:
    """Return the error of the API for one wrong field: google.rpc.Status with BadRequest."""
    violation = {"field": field, "description": "The currency code is not valid."}
    details = [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}]
    message = "There was a problem with the request."
    return {"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT", "details": details}}
