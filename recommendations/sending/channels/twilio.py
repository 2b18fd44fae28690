"""SMS and WhatsApp by Twilio: https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource."""

import json
from base64 import b64encode
from dataclasses import replace
from urllib.parse import urlencode

from recommendations.sending.channels.accounts import Account
from recommendations.sending.channels.base import OutgoingMessage
from recommendations.sending.channels.providers import ProviderRequest
from recommendations.sending.transport.journal import SendResult

API = "https://api.twilio.com"


class TwilioProvider:
    """Creates a message resource. Twilio has no idempotency key for it, so a request without an answer is not repeated."""

    key = "twilio"
    options = ("account_sid", "from", "base_url")
    secrets = ("auth_token",)
    is_idempotent = False
    batch_size = 1
    retries_alone = False

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix  # "whatsapp:" for WhatsApp

    def build_request(self, message: OutgoingMessage, account: Account) -> ProviderRequest:
        sid = account.options["account_sid"]
        values = {
            "To": f"{self._prefix}{message.recipient}",
            "From": f"{self._prefix}{account.options['from']}",
            "Body": message.text.strip(),
        }
        credentials = b64encode(f"{sid}:{account.secrets['auth_token']}".encode()).decode()
        return ProviderRequest(
            f"{account.options.get('base_url') or API}/2010-04-01/Accounts/{sid}/Messages.json",
            {"Authorization": f"Basic {credentials}", "Content-Type": "application/x-www-form-urlencoded"},
            urlencode(values).encode(),
        )

    def read_answer(self, result: SendResult) -> SendResult:
        answer = read_object(result.text)
        if result.outcome == "sent":
            return replace(result, provider_id=str(answer.get("sid", "")))
        return replace(result, text=f"{answer.get('code', '')} {answer.get('message', result.text)}".strip())


def read_object(text: str) -> dict[str, object]:
    """Return the JSON object of an answer; empty for anything else."""
    try:
        answer = json.loads(text)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
