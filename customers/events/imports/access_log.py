"""Turns lines of an access log into items in the form an SDK would send them.

Visitors are identified by a keyed hash of IP address, browser and day, unless the log contains an id. The IP address itself is
not stored, neither in an event nor in the error file.
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
from django.utils.translation import gettext_lazy

from config.foundation.keys.hash_keys import get_hash_key
from customers.events.imports.url_mapping import MappedEvent, UrlMapping, parse_query

LIBRARY = {"name": "perennial-access-log"}
# `cubot` is a phone manufacturer
BOT_PATTERN = re.compile(
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
UTM_FIELDS = {
    "utm_source": "source",
    "utm_medium": "medium",
    "utm_campaign": "name",
    "utm_term": "term",
    "utm_content": "content",
}
# identical lines have the same second, and a log is out of order by a few seconds at most
MAX_SECONDS = 64

SKIP_REASONS = {
    "other_method": gettext_lazy("requests with an unmapped method"),
    "failed_call": gettext_lazy("failed or permanently redirected requests"),
    "bot": gettext_lazy("requests by bots (user agent)"),
    "no_event": gettext_lazy("requests to unmapped URLs"),
}


class LogLineError(Exception):
    """A line cannot be parsed; ``code`` and ``reason`` say why."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(slots=True)
class EqualLineCounter:
    """Counts identical lines, in bounded memory, and with the same result each time the file is read."""

    seconds: dict[str, Counter[bytes]] = field(default_factory=dict)

    def count_earlier(self, second: str, line: bytes) -> int:
        """Count a line; return the number of identical lines before it."""
        counts = self.seconds.get(second)
        if counts is None:
            if len(self.seconds) >= MAX_SECONDS:
                del self.seconds[next(iter(self.seconds))]
            counts = self.seconds[second] = Counter()
        counts[line] += 1
        return counts[line] - 1


class AccessLogReader:
    """Turns lines into items; ``skipped`` counts skipped lines by reason, ``sections`` URLs without an event."""

    def __init__(self, mapping: UrlMapping) -> None:
        self.mapping = mapping
        self.methods = mapping.methods
        self.skipped: Counter[str] = Counter()
        self.sections: Counter[str] = Counter()
        self.equal = EqualLineCounter()
        self.key = sha256(get_hash_key().encode()).digest()
        # a few browsers and URLs make up most of a log
        self.is_bot = lru_cache(maxsize=10_000)(self._is_bot)
        self.find = lru_cache(maxsize=20_000)(self._find)
        self.hash_visitor = lru_cache(maxsize=20_000)(self._hash_visitor)

    def read_item(self, line: bytes) -> bytes | None:
        """Return the line's event as JSON; None if it has none.

        Raises:
            LogLineError: the line does not match the log format.
        """
        fields = self.mapping.log_format.parse_fields(line.decode(errors="replace"))
        if fields is None:
            raise LogLineError("unreadable_line", "The line does not match the log format.")
        try:
            status = int(fields["status"])
        except ValueError as error:
            raise LogLineError(
                "unreadable_line", f"The status is {fields['status'][:20]!r}; it must be a number."
            ) from error
        request = parse_request(fields)
        if request is None or not 200 <= status < 400:
            self.count_skipped("failed_call")
            return None
        method, target = request
        if method not in self.methods:
            self.count_skipped("other_method")
            return None
        agent = fields.get("http_user_agent")
        if agent is not None and self.is_bot(agent):
            self.count_skipped("bot")
            return None
        mapped = self.find(method, target, status)
        if mapped is None:
            self.count_unmapped(target)
            return None
        timestamp = parse_log_time(fields)
        item: dict[str, Any] = {
            "type": mapped.type,
            "messageId": self.compute_message_id(line, timestamp),
            "timestamp": timestamp,
            "anonymousId": self.identify_visitor(fields, timestamp, agent or ""),
            "event" if mapped.type == "track" else "name": mapped.name,
            "properties": mapped.properties,
            "context": build_context(fields, target, agent),
        }
        if self.mapping.user_id and (user_id := fields[self.mapping.user_id]):
            item["userId"] = user_id
        return msgspec.json.encode(item)

    def _is_bot(self, agent: str) -> bool:
        own = self.mapping.bots
        return is_bot(agent) or (own is not None and own.search(agent) is not None)

    def _hash_visitor(self, day: str, address: str, agent: str) -> str:
        """Return a visitor id for one day (UTC); a visitor cannot be tracked into the next."""
        text = f"{day} {address} {agent}".encode(errors="replace")
        return f"log-{blake2b(text, digest_size=16, key=self.key).hexdigest()}"

    def _find(self, method: str, target: str, status: int) -> MappedEvent | None:
        return self.mapping.find(method=method, target=target, status=status)

    def count_skipped(self, reason: str) -> None:
        self.skipped[reason] += 1

    def count_unmapped(self, target: str) -> None:
        section = "/" + target.partition("?")[0].split("/", 2)[1] if target.count("/") else target
        if section in self.sections or len(self.sections) < 1000:
            self.sections[section] += 1
        self.count_skipped("no_event")

    def compute_message_id(self, line: bytes, timestamp: str) -> str:
        """Return an id that depends only on the line, so that a second import recognizes it."""
        # Keyed: with an unkeyed hash, the IP address of the line could be found by trying all addresses.
        digest = blake2b(line, digest_size=16, key=self.key)
        if number := self.equal.count_earlier(timestamp, digest.digest()):
            digest.update(b"\n%d" % number)
        return f"log-{digest.hexdigest()}"

    def identify_visitor(self, fields: Mapping[str, str], timestamp: str, agent: str) -> str:
        if self.mapping.anonymous_id and (logged_id := fields[self.mapping.anonymous_id]):
            return logged_id
        address = fields[self.mapping.address] if self.mapping.address else ""
        return self.hash_visitor(timestamp[:10], address.partition(",")[0].strip(), agent)


def is_bot(agent: str) -> bool:
    return not agent or BOT_PATTERN.search(agent) is not None


def parse_request(fields: Mapping[str, str]) -> tuple[str, str] | None:
    """Return method and target; None if the line is not an HTTP request, such as a TLS handshake on the plain port."""
    if "request_method" in fields:
        method, target = fields["request_method"], fields.get("request_uri", "")
    else:
        words = fields["request"].split(" ")
        if len(words) != 3:
            return None
        method, target = words[:2]
    if target.startswith(("http://", "https://")):
        try:
            address = urlsplit(target)
        except ValueError:  # such as http://[
            return None
        target = f"{address.path}?{address.query}" if address.query else address.path
    return (method, target) if target.startswith("/") else None


def parse_log_time(fields: Mapping[str, str]) -> str:
    """Return the line's time as ISO 8601 in UTC. Raises LogLineError."""
    for name, read in TIME_PARSERS.items():
        if text := fields.get(name):
            try:
                return read(text)
            except (ValueError, KeyError, OverflowError) as error:
                raise LogLineError("invalid_time", f"${name} is {text[:40]!r}, which is not a valid time.") from error
    raise LogLineError("invalid_time", "The line has no time.")


@lru_cache(maxsize=1024)
def parse_local_time(text: str) -> str:
    match = LOCAL_TIME.fullmatch(text)
    if match is None:
        raise ValueError(text)
    day, month, year, hour, minute, second, sign, hours, minutes = match.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    zone = timezone(-offset if sign == "-" else offset)
    # datetime does not support leap seconds
    time = datetime(int(year), MONTHS[month], int(day), int(hour), int(minute), min(int(second), 59), tzinfo=zone)
    return time.astimezone(UTC).isoformat()


@lru_cache(maxsize=1024)
def parse_iso_time(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(UTC).isoformat()


def parse_epoch(text: str) -> str:
    return datetime.fromtimestamp(float(text), UTC).isoformat()


TIME_PARSERS: dict[str, Callable[[str], str]] = {
    "msec": parse_epoch,
    "time_iso8601": parse_iso_time,
    "time_local": parse_local_time,
}


def build_context(fields: Mapping[str, str], target: str, agent: str | None) -> dict[str, Any]:
    """Return page, referrer and campaign; URL parameters are dropped because they may identify people (e-mail links do)."""
    path, _mark, query_text = target.partition("?")
    page = {"path": path}
    if referrer := fields.get("http_referer"):
        page["referrer"] = re.split(r"[?#]", referrer, maxsplit=1)[0]
    context: dict[str, Any] = {"library": LIBRARY, "page": page}
    if agent:
        context["userAgent"] = agent
    if "utm_" in query_text:
        context["campaign"] = parse_campaign(query_text)
    return context


@lru_cache(maxsize=10_000)
def parse_campaign(query_text: str) -> dict[str, str]:
    query = parse_query(query_text)
    return {name: query[key] for key, name in UTM_FIELDS.items() if query.get(key)}
