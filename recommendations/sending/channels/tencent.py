"""SMS by Tencent Cloud: SendSms 2021-01-11, signed with TC3-HMAC-SHA256.

https://cloud.tencent.com/document/api/382/55981 (the request), /52071 (the signature), /59177 (error codes)
"""

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

from recommendations.sending.channels.accounts import Account
from recommendations.sending.channels.aliyun import build_template_parameters
from recommendations.sending.channels.base import OutgoingMessage
from recommendations.sending.channels.providers import SMS_OPTIONS, ProviderRequest
from recommendations.sending.channels.twilio import read_object
from recommendations.sending.transport.journal import SendResult

HOST = "sms.tencentcloudapi.com"
SERVICE = "sms"
# Rate limits, outages, and problems of the account, its signature or template: messages wait and are sent once they are fixed.
TEMPORARY_CODES = (
    "RequestLimitExceeded", "InternalError", "LimitExceeded", "AuthFailure", "UnauthorizedOperation", "ResourceUnavailable",
    "FailedOperation.InsufficientBalanceInSmsPackage", "FailedOperation.SignatureIncorrectOrUnapproved",
    "FailedOperation.TemplateIncorrectOrUnapproved", "FailedOperation.MarketingSendTimeConstraint",
    "InvalidParameterValue.SdkAppIdNotExist",
)  # fmt: skip
PERMANENT_CODES = ("LimitExceeded.PhoneNumberCountLimit",)
CONTENT_TYPE = "application/json; charset=utf-8"


class TencentProvider:
    """Sends a registered template, whose parameters are the values of the message's JSON in their order."""

    key = "tencent"
    options = ("secret_id", "app_id", "sign_name", "template_id", "region", *SMS_OPTIONS, "base_url")
    secrets = ("secret_key",)
    is_idempotent = False
    batch_size = 200
    retries_alone = False

    def build_request(self, message: OutgoingMessage, account: Account) -> ProviderRequest:
        body = json.dumps(
            {
                "PhoneNumberSet": [complete_number(phone) for phone in message.all_recipients],
                "SmsSdkAppId": account.options["app_id"],
                "SignName": account.options["sign_name"],
                "TemplateId": account.options["template_id"],
                "TemplateParamSet": [str(value) for value in build_template_parameters(message.text).values()],
                "SessionContext": str(message.delivery_id),
            }
        ).encode()
        base = account.options.get("base_url") or f"https://{HOST}"
        headers = sign_tencent(body, account, host=urlsplit(base).netloc, moment=datetime.now(UTC))
        return ProviderRequest(f"{base}/", headers, body)

    def read_answer(self, result: SendResult) -> SendResult:
        response = read_object(result.text).get("Response")
        if not isinstance(response, dict):
            return result
        error = response.get("Error")
        if isinstance(error, dict):
            return refuse(result, str(error.get("Code", "")), str(error.get("Message", "")))
        statuses = [status for status in response.get("SendStatusSet") or [] if isinstance(status, dict)]
        number = complete_number(result.recipient)
        own = [status for status in statuses if status.get("PhoneNumber") == number] if result.recipient else statuses
        if not own:
            text = "The answer does not name this number."
            return replace(result, outcome="uncertain", text=text) if result.outcome == "sent" else result
        if own[0].get("Code") == "Ok":
            return replace(result, provider_id=str(own[0].get("SerialNo", "")))
        return refuse(result, str(own[0].get("Code", "")), str(own[0].get("Message", "")))


def complete_number(phone: str) -> str:
    """Return a number with its country code; a number without one is treated as Chinese, as the provider does."""
    return phone if phone.startswith("+") else f"+86{phone}"


def refuse(result: SendResult, code: str, message: str) -> SendResult:
    is_temporary = code.startswith(TEMPORARY_CODES) and not code.startswith(PERMANENT_CODES)
    return replace(result, outcome="temporary" if is_temporary else "permanent", text=f"{code} {message}")


def sign_tencent(body: bytes, account: Account, *, host: str = HOST, moment: datetime) -> dict[str, str]:
    """Return the headers of a POST request."""
    action, timestamp = "SendSms", str(int(moment.timestamp()))
    credentials = str(account.options["secret_id"]), str(account.secrets["secret_key"])
    return {
        "Authorization": build_authorization(
            body, credentials=credentials, service=SERVICE, host=host, action=action, timestamp=timestamp
        ),
        "Content-Type": CONTENT_TYPE,
        "Host": host,
        "X-TC-Action": action,
        "X-TC-Timestamp": timestamp,
        "X-TC-Version": "2021-01-11",
        "X-TC-Region": account.options.get("region") or "ap-guangzhou",
    }


def build_authorization(
    body: bytes, *, credentials: tuple[str, str], service: str, host: str, action: str, timestamp: str
) -> str:
    """Return the header Authorization of TC3-HMAC-SHA256. credentials: SecretId and SecretKey; timestamp: in seconds."""
    date = f"{datetime.fromtimestamp(int(timestamp), UTC):%Y-%m-%d}"
    names = "content-type;host;x-tc-action"
    canonical = "\n".join(
        [
            "POST", "/", "", f"content-type:{CONTENT_TYPE}\nhost:{host}\nx-tc-action:{action.lower()}\n", names,
            hashlib.sha256(body).hexdigest(),
        ]
    )  # fmt: skip
    scope = f"{date}/{service}/tc3_request"
    to_sign = f"TC3-HMAC-SHA256\n{timestamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"TC3{credentials[1]}".encode()
    for part in (date, service, "tc3_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    return f"TC3-HMAC-SHA256 Credential={credentials[0]}/{scope}, SignedHeaders={names}, Signature={signature}"
