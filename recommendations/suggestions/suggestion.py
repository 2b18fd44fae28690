"""The shape of a suggestion, and of a kind of suggestions."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from django.contrib.auth.models import User
from django.utils.functional import Promise

from recommendations.suggestions.models import SuggestionDecision


@dataclass(frozen=True)
class Suggestion:
    """What could be done, why, and what is expected of it.

    Attributes:
        expectation: a sentence; what is not known is said. value: the expected additional orders, for the order of suggestions.
        people_url: the customers or products that it is about. draft_url, draft_name: of a draft that exists already.
        figures: the numbers behind the texts, kept with the decision.
    """

    kind: str
    key: str
    headline: str
    advice: str
    expectation: str
    value: float
    people_url: str = ""
    draft_url: str = ""
    draft_name: str = ""
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Draft:
    """What accepting a suggestion has made. url: the page to edit it; for an experiment, its form with filled fields."""

    url: str
    created_id: int | None = None
    is_new: bool = True


@dataclass(frozen=True)
class LaterEffect:
    """The later effect of an accepted suggestion."""

    text: str
    url: str = ""


class StartError(Exception):
    """The draft was made, but cannot be started as it is."""

    def __init__(self, draft: Draft, problems: Sequence[str]) -> None:
        super().__init__(" ".join(problems))
        self.draft = draft
        self.problems = problems


class SuggestionKind(Protocol):
    """A kind of suggestions; a new one is a file of `kinds/` with a line in the registry.

    permissions: who lacks one of them does not see its suggestions. start_permissions: for starting at once; empty if its drafts cannot
    be started from here.
    """

    @property
    def key(self) -> str: ...

    @property
    def label(self) -> str | Promise: ...

    @property
    def permissions(self) -> tuple[str, ...]: ...

    @property
    def start_permissions(self) -> tuple[str, ...]: ...

    def find(self, *, as_of: datetime) -> list[Suggestion]:
        """Return what could be done now."""

    def create_draft(self, key: str, *, by: User, now: datetime) -> Draft:
        """Make the draft, or return the one that exists. Raises LookupError for an unknown key."""

    def start(self, draft: Draft, *, by: User, now: datetime) -> None:
        """Start what the draft describes. Raises StartError if it cannot be started as it is."""

    def describe_effects(self, decisions: Sequence[SuggestionDecision], *, as_of: datetime) -> dict[int, LaterEffect]:
        """Return the later effect of accepted suggestions, by the number of the decision."""
