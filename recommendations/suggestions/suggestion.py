"""The data of a suggestion, and the interface of a kind of suggestions."""

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
        expectation: a sentence, which also states what is not known. value: the expected additional orders, used for ranking.
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
    """What accepting a suggestion has created. url: the page to edit it; for an experiment, its prefilled form."""

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

    permissions: users who lack one of them do not see its suggestions. start_permissions: needed to start a draft immediately; empty if
    its drafts cannot be started from here.
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
        """Return the later effect of accepted suggestions, by the ID of the decision."""
