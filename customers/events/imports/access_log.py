"""From lines of an access log to items as an SDK would have sent them.

A log names nobody: who came is told apart by a keyed hash of address, browser and day, unless the log carries an id of its own.
The address itself is not kept, neither in an event nor in the error file.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from hashlib import blake2b, sha256
from typing import Any
from urllib.parse import urlsplit

import msgspec
from django.conf import settings
from django.utils.translation import gettext_lazy

from customers.events.imports.url_mapping import Found, UrlMapping, read_query

LIBRARY = {"name": "perennial-access-log"}
# `cubot` is a maker of telephones
BOTS = re.compile(
    r"(?<!cu)bot(?![a-z])|crawl|spider|slurp|scrap|fetch|archiver|preview|headless|phantomjs|lighthouse|pagespeed|monitor|uptime|"
    r"pingdom|statuscake|facebookexternalhit|curl|wget|libwww|httpclient|http-client|python|aiohttp|httpx|java/|go-http|ruby|"
    r"axios|postman|feed|validator|checker|scanner|nmap|nikto|sqlmap|zgrab|masscan",
    re.IGNORECASE,
)
MONTHS = {
    name: number
    for number, name in enumerate(
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], start=1
    )
}
LOCAL_TIME = re.compile(r"(\d\d)/(\w{3})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)")
CAMPAIGN = {
    "utm_source": "source",
    "utm_medium": "medium",
    "utm_campaign": "name",
    "utm_term": "term",
    "utm_content": "content",
}
# equal lines have the same second, and a log is out of order by a few seconds at most
SECONDS_REMEMBERED = 64

SKIPPED = {
    "other_method": gettext_lazy("calls by a method that no event has"),
    "failed_call": gettext_lazy("calls that failed or were sent elsewhere for good"),
    "bot": gettext_lazy("calls of bots, by their user agent"),
    "no_event": gettext_lazy("calls of addresses that mean no event"),
}


class LogLineError(Exception):
    """Why a line can't be read."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(slots=True)
class EqualLines:
    """Tells equal lines apart by their number, in bounded memory, and the same in every reading of the file."""

    seconds: dict[str, Counter[bytes]] = field(default_factory=dict)

    def number(self, second: str, line: bytes) -> int:
        counts = self.seconds.get(second)
        if counts is None:
            if len(self.seconds) >= SECONDS_REMEMBERED:
                del self.seconds[next(iter(self.seconds))]
            counts = self.seconds[second] = Counter()
        counts[line] += 1
        return counts[line] - 1


class LogReader:
    """Turns lines into items one by one; ``skipped`` and ``sections`` count what was left out and under which addresses."""

    def __init__(self, mapping: UrlMapping) -> None:
        self.mapping = mapping
        self.methods = mapping.methods
        self.skipped: Counter[str] = Counter()
        self.sections: Counter[str] = Counter()
        self.equal = EqualLines()
        self.key = sha256(settings.HASH_KEY).digest()
        # few browsers and few addresses make up most of a log
        self.is_bot = lru_cache(maxsize=10_000)(self._is_bot)
        self.find = lru_cache(maxsize=20_000)(self._find)
        self.visitor_hash = lru_cache(maxsize=20_000)(self._visitor_hash)

    def item(self, line: bytes) -> bytes | None:
        """The line's event as JSON; None when it means none.

        Raises:
            LogLineError: the line is no line of this log.
        """
        fields = self.mapping.log_format.fields(line.decode(errors="replace"))
        if fields is None:
            raise LogLineError("unreadable_line", "The line is not of the log's format; --mapping may name another.")
        try:
            status = int(fields["status"])
        except ValueError as error:
            raise LogLineError(
                "unreadable_line", f"The status is {fields['status'][:20]!r}; it has to be a number."
            ) from error
        request = request_of(fields)
        if request is None or not 200 <= status < 400:
            self.skip("failed_call")
            return None
        method, target = request
        if method not in self.methods:
            self.skip("other_method")
            return None
        agent = fields.get("http_user_agent")
        if agent is not None and self.is_bot(agent):
            self.skip("bot")
            return None
        found = self.find(method, target, status)
        if found is None:
            self.leave_address(target)
            return None
        moment = moment_of(fields)
        item: dict[str, Any] = {
            "type": found.type,
            "messageId": self.message_id(line, moment),
            "timestamp": moment,
            "anonymousId": self.visitor(fields, moment, agent or ""),
            "event" if found.type == "track" else "name": found.name,
            "properties": found.properties,
            "context": context_of(fields, target, agent),
        }
        if self.mapping.user_id and (user_id := fields[self.mapping.user_id]):
            item["userId"] = user_id
        return msgspec.json.encode(item)

    def _is_bot(self, agent: str) -> bool:
        own = self.mapping.bots
        return is_bot(agent) or (own is not None and own.search(agent) is not None)

    def _visitor_hash(self, day: str, address: str, agent: str) -> str:
        """Who came, for one day (UTC): nobody can be followed into the next."""
        text = f"{day} {address} {agent}".encode(errors="replace")
        return f"log-{blake2b(text, digest_size=16, key=self.key).hexdigest()}"

    def _find(self, method: str, target: str, status: int) -> Found | None:
        return self.mapping.find(method=method, target=target, status=status)

    def skip(self, reason: str) -> None:
        self.skipped[reason] += 1

    def leave_address(self, target: str) -> None:
        section = "/" + target.partition("?")[0].split("/", 2)[1] if target.count("/") else target
        if section in self.sections or len(self.sections) < 1000:
            self.sections[section] += 1
        self.skip("no_event")

    def message_id(self, line: bytes, moment: str) -> str:
        """The same for the same line wherever it stands. Keyed: from a bare hash the address could be found by trying all."""
        digest = blake2b(line, digest_size=16, key=self.key)
        if number := self.equal.number(moment, digest.digest()):
            digest.update(b"\n%d" % number)
        return f"log-{digest.hexdigest()}"

    def visitor(self, fields: Mapping[str, str], moment: str, agent: str) -> str:
        if self.mapping.anonymous_id and (stated := fields[self.mapping.anonymous_id]):
            return stated
        address = fields[self.mapping.address] if self.mapping.address else ""
        return self.visitor_hash(moment[:10], address.partition(",")[0].strip(), agent)


def is_bot(agent: str) -> bool:
    return not agent or BOTS.search(agent) is not None


def request_of(fields: Mapping[str, str]) -> tuple[str, str] | None:
    """Method and target; None for what is no HTTP call, such as a TLS greeting on the plain port."""
    if "request_method" in fields:
        method, target = fields["request_method"], fields.get("request_uri", "")
    else:
        parts = fields["request"].split(" ")
        if len(parts) != 3:
            return None
        method, target = parts[:2]
    if target.startswith(("http://", "https://")):
        try:
            address = urlsplit(target)
        except ValueError:  # such as http://[
            return None
        target = f"{address.path}?{address.query}" if address.query else address.path
    return (method, target) if target.startswith("/") else None


def moment_of(fields: Mapping[str, str]) -> str:
    """The line's time as ISO 8601 in UTC; raises LogLineError."""
    for name, read in READERS.items():
        if text := fields.get(name):
            try:
                return read(text)
            except (ValueError, KeyError, OverflowError) as error:
                raise LogLineError("invalid_time", f"${name} is {text[:40]!r}, which is no time.") from error
    raise LogLineError("invalid_time", "The line has no time.")


@lru_cache(maxsize=1024)
def read_local_time(text: str) -> str:
    found = LOCAL_TIME.fullmatch(text)
    if found is None:
        raise ValueError(text)
    day, month, year, hour, minute, second, sign, hours, minutes = found.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    zone = timezone(-offset if sign == "-" else offset)
    # a leap second has no place in datetime
    stated = datetime(int(year), MONTHS[month], int(day), int(hour), int(minute), min(int(second), 59), tzinfo=zone)
    return stated.astimezone(UTC).isoformat()


@lru_cache(maxsize=1024)
def read_iso_time(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(UTC).isoformat()


def read_epoch(text: str) -> str:
    return datetime.fromtimestamp(float(text), UTC).isoformat()


READERS: dict[str, Callable[[str], str]] = {
    "msec": read_epoch,
    "time_iso8601": read_iso_time,
    "time_local": read_local_time,
}


def context_of(fields: Mapping[str, str], target: str, agent: str | None) -> dict[str, Any]:
    """Page, referrer and campaign. Parameters stay out: they may name people (links of e-mails do)."""
    path, _mark, query_text = target.partition("?")
    page = {"path": path}
    if referrer := fields.get("http_referer"):
        page["referrer"] = re.split(r"[?#]", referrer, maxsplit=1)[0]
    context: dict[str, Any] = {"library": LIBRARY, "page": page}
    if agent:
        context["userAgent"] = agent
    if "utm_" in query_text:
        context["campaign"] = campaign_of(query_text)
    return context


@lru_cache(maxsize=10_000)
def campaign_of(query_text: str) -> dict[str, str]:
    query = read_query(query_text)
    return {name: query[key] for key, name in CAMPAIGN.items() if query.get(key)}
