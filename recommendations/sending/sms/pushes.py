"""What Tencent Cloud and Aliyun push about SMS: delivery reports, and replies of recipients.

Tencent Cloud: https://www.tencentcloud.com/document/product/382/43547 (reports) and /43548 (replies), both of 2024-12-19. Aliyun:
https://help.aliyun.com/document_detail/101867.htm (SmsReport) and https://help.aliyun.com/zh/sms/developer-reference/smsup-http (SmsUp).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

CHINA = ZoneInfo("Asia/Shanghai")
MAX_ROWS = 1000
MAX_TEXT = 500


class PushError(ValueError):
    """The body is not what the provider documents; the message names the field."""


@dataclass(frozen=True)
class SmsReport:
    """Whether one SMS was delivered. message_id: SerialNo of Tencent Cloud, or BizId of Aliyun, which the numbers of a request share."""

    message_id: str
    phone: str
    is_delivered: bool
    at: datetime
    reason: str


@dataclass(frozen=True)
class SmsReply:
    """What a recipient answered. phone: with a plus and the country code."""

    phone: str
    text: str
    at: datetime


@dataclass(frozen=True)
class SmsPush:
    """The rows of one request."""

    reports: tuple[SmsReport, ...] = ()
    replies: tuple[SmsReply, ...] = ()


def read_push(provider: str, data: Any, *, now: datetime) -> SmsPush:
    """Return what a provider pushed; times later than ``now`` are replaced by ``now``. Raises PushError."""
    rows = data if isinstance(data, list) else [data]
    if len(rows) > MAX_ROWS:
        raise PushError(f"Send at most {MAX_ROWS} rows; the request has {len(rows)}.")
    reports: list[SmsReport] = []
    replies: list[SmsReply] = []
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise PushError(f"Row {number} is not an object.")
        try:
            read = READERS[provider](row)
        except (KeyError, TypeError, ValueError, OverflowError, OSError) as error:
            raise PushError(f"Row {number}: {type(error).__name__} {error}"[:200]) from error
        at = min(read.at, now)
        if isinstance(read, SmsReply):
            replies.append(SmsReply(read.phone, read.text, at))
        else:
            reports.append(SmsReport(read.message_id, read.phone, read.is_delivered, at, read.reason))
    return SmsPush(tuple(reports), tuple(replies))


def read_tencent(row: Mapping[str, Any]) -> SmsReport | SmsReply:
    phone = f"+{read_text(row, 'nationcode')}{read_text(row, 'mobile')}"
    if "report_status" not in row:
        return SmsReply(phone, read_text(row, "text"), datetime.fromtimestamp(int(row["time"]), UTC))
    status = read_text(row, "report_status")
    if status not in ("SUCCESS", "FAIL"):
        raise ValueError("report_status must be SUCCESS or FAIL.")
    reason = f"{row.get('errmsg', '')} {row.get('description', '')}".strip()
    at = read_china_time(read_text(row, "user_receive_time"))
    return SmsReport(read_text(row, "sid"), phone, status == "SUCCESS", at, reason[:MAX_TEXT])


def read_aliyun(row: Mapping[str, Any]) -> SmsReport | SmsReply:
    phone = complete_phone(read_text(row, "phone_number"))
    if "success" not in row:
        return SmsReply(phone, read_text(row, "content"), read_china_time(read_text(row, "send_time")))
    if not isinstance(row["success"], bool):
        raise ValueError("success must be true or false.")
    reason = f"{row.get('err_code', '')} {row.get('err_msg', '')}".strip()
    at = read_china_time(read_text(row, "report_time"))
    return SmsReport(read_text(row, "biz_id"), phone, row["success"], at, reason[:MAX_TEXT])


READERS = {"tencent": read_tencent, "aliyun": read_aliyun}


def read_text(row: Mapping[str, Any], name: str) -> str:
    value = row[name]
    if not isinstance(value, str) or len(value) > MAX_TEXT or "\x00" in value:
        raise ValueError(f"{name} must be a text of at most {MAX_TEXT} characters.")
    return value


def read_china_time(text: str) -> datetime:
    """Return a time as both providers write it: 2017-01-01 00:00:00, in China's time zone."""
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=CHINA).astimezone(UTC)


def complete_phone(phone: str) -> str:
    """Return a number with its country code; eleven digits without one are a number of mainland China."""
    digits = phone.removeprefix("+").removeprefix("00")
    return f"+86{digits}" if len(digits) == 11 and digits.startswith("1") else f"+{digits}"
