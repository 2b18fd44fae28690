"""The registry of who receives personal data; each app registers the services that the shop has configured.

Modules `privacy_facts.py` of the apps are imported at the start. The texts are in the active language.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class RecipientFact:
    """A service that gets personal data, because the shop has configured it. key: unique, such as "channel.sms.twilio"."""

    key: str
    name: str
    task: str
    data: str
    country: str = ""


type Finder[F] = Callable[[], Iterable[F]]
_recipients: dict[str, Finder[RecipientFact]] = {}


def register_recipients(app: str, find: Finder[RecipientFact]) -> None:
    """Add the recipients of an app; registered again, it replaces the earlier one."""
    _recipients[app] = find


def list_recipients() -> Iterator[RecipientFact]:
    """Yield the services that get personal data."""
    for app in sorted(_recipients):
        yield from _recipients[app]()
