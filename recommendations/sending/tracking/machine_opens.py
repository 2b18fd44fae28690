"""Tells opens and clicks by machines from those by people. The rule is documented in docs/sending.md.

A machine: a mail program that loads images when the message arrives, whether or not someone reads it (Apple Mail Privacy Protection), a
security scanner, anything within seconds of the sending, and one address that opens several messages, or several links of one message, in the
same second. The image proxies of Gmail and Yahoo load an image when someone opens the message, so theirs count as opens by people.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from recommendations.sending.tracking.entries import TrackedEntry

EARLY = timedelta(seconds=5)
SCANNED_AT_ONCE = 3

# Apple's proxy sends only this; mail programs that people use identify themselves.
APPLE_PROXY = re.compile(r"^Mozilla/5\.0$")
PERSON_PROXY = re.compile(r"GoogleImageProxy|YahooMailProxy")
SCANNER = re.compile(
    r"bot\b|crawl|spider|scan|preview|curl|wget|python|java/|okhttp|go-http|headless|barracuda|proofpoint|mimecast|safelinks|"
    r"fortiguard|symantec|trend ?micro|zscaler|^$",
    re.IGNORECASE,
)


def find_machine_entries(entries: Sequence[TrackedEntry], *, sent_at: Mapping[int, datetime]) -> set[int]:
    """Return the positions of the entries that machines made. sent_at: by delivery."""
    opened_at_once = Counter(
        (entry.source, entry.at.replace(microsecond=0), delivery_id)
        for entry, delivery_id in {(entry, entry.delivery_id) for entry in entries}
    )
    deliveries = Counter((source, second) for source, second, _delivery in opened_at_once)
    links = Counter(
        (entry.delivery_id, entry.at.replace(microsecond=0)) for entry in set(entries) if entry.kind == "click"
    )
    return {
        position
        for position, entry in enumerate(entries)
        if is_machine_agent(entry.user_agent)
        or is_early(entry, sent_at.get(entry.delivery_id))
        or (
            not PERSON_PROXY.search(entry.user_agent)
            and deliveries[entry.source, entry.at.replace(microsecond=0)] >= SCANNED_AT_ONCE
        )
        or (entry.kind == "click" and links[entry.delivery_id, entry.at.replace(microsecond=0)] >= SCANNED_AT_ONCE)
    }


def is_machine_agent(user_agent: str) -> bool:
    """Return whether a user agent identifies itself as a machine."""
    text = user_agent.strip()
    if PERSON_PROXY.search(text):
        return False
    return bool(APPLE_PROXY.match(text) or SCANNER.search(text))


def is_early(entry: TrackedEntry, sent_at: datetime | None) -> bool:
    return sent_at is not None and entry.at < sent_at + EARLY
