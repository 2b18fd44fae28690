"""Suggestions as pages show them, with the actions that the user may take."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.functional import Promise

from recommendations.suggestions.deciding import list_suggestions
from recommendations.suggestions.models import SuggestionDecision
from recommendations.suggestions.registry import KINDS
from recommendations.suggestions.suggestion import Suggestion

DECIDE = "suggestions.add_suggestiondecision"


@dataclass(frozen=True)
class SuggestionCard:
    """A suggestion and what the user may do with it."""

    suggestion: Suggestion
    kind_label: str | Promise
    can_start: bool


@dataclass(frozen=True)
class SuggestionCards:
    """The first suggestions. more: number of further ones. reasons: choices for a dismissal."""

    cards: Sequence[SuggestionCard]
    more: int
    reasons: Sequence[tuple[str, str | Promise]]


def build_cards(*, may: Callable[[str], bool], as_of: datetime, limit: int | None = None) -> SuggestionCards:
    suggestions = list_suggestions(may=may, as_of=as_of)
    cards = [
        SuggestionCard(
            suggestion,
            KINDS[suggestion.kind].label,
            can_start=bool(KINDS[suggestion.kind].start_permissions)
            and all(map(may, KINDS[suggestion.kind].start_permissions)),
        )
        for suggestion in suggestions[:limit]
    ]
    return SuggestionCards(cards, len(suggestions) - len(cards), SuggestionDecision.Reason.choices)
