"""Learns from decisions which suggestions are silenced for a while, and which come first."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from recommendations.suggestions.models import SuggestionDecision
from recommendations.suggestions.suggestion import Suggestion

Reason = SuggestionDecision.Reason
MEMORY = timedelta(days=365)


@dataclass(frozen=True)
class ReasonRule:
    """silence: how long the same suggestion is not made again. weight: how much the dismissal counts against its kind, from 0 to 1."""

    silence: timedelta
    weight: float


REASON_RULES: dict[str, ReasonRule] = {
    Reason.NOT_NOW: ReasonRule(timedelta(days=14), 0.25),
    Reason.DONE_ALREADY: ReasonRule(timedelta(days=90), 0.25),
    Reason.TOO_MANY_MESSAGES: ReasonRule(timedelta(days=30), 0.5),
    Reason.NOT_RELEVANT: ReasonRule(timedelta(days=180), 1.0),
    Reason.NO_EFFECT: ReasonRule(timedelta(days=90), 1.0),
    Reason.OTHER: ReasonRule(timedelta(days=30), 0.5),
}


def load_decisions(*, as_of: datetime) -> list[SuggestionDecision]:
    """Return the decisions that still count, newest first."""
    return list(
        SuggestionDecision.objects.filter(decided_at__gt=as_of - MEMORY, withdrawn_at=None).defer("note", "expectation")
    )


def find_silenced_keys(decisions: Iterable[SuggestionDecision], *, as_of: datetime) -> set[tuple[str, str]]:
    """Return kind and key of the suggestions that were dismissed too recently to be made again."""
    return {
        (decision.kind, decision.key)
        for decision in decisions
        if decision.outcome == SuggestionDecision.Outcome.DISMISSED
        and as_of < decision.decided_at + REASON_RULES[decision.reason].silence
    }


def compute_acceptance(decisions: Iterable[SuggestionDecision]) -> float:
    """Return the expected share of accepted suggestions: (1 + accepted) ÷ (2 + accepted + weighted dismissals).

    The mean of a Beta(1 + accepted, 1 + dismissed) distribution, the posterior of a Bernoulli share with a uniform prior; 0.5 without
    decisions. A dismissal counts with the weight of its reason.
    """
    accepted = dismissed = 0.0
    for decision in decisions:
        if decision.outcome == SuggestionDecision.Outcome.ACCEPTED:
            accepted += 1
        else:
            dismissed += REASON_RULES[decision.reason].weight
    return (1 + accepted) / (2 + accepted + dismissed)


def rank_suggestions(
    suggestions: Sequence[Suggestion], decisions: Sequence[SuggestionDecision], *, as_of: datetime
) -> list[Suggestion]:
    """Rank the suggestions that are not silenced by expected additional orders × acceptance of their kind × their own acceptance."""
    silent = find_silenced_keys(decisions, as_of=as_of)
    kinds = {
        kind: compute_acceptance(decision for decision in decisions if decision.kind == kind)
        for kind in {suggestion.kind for suggestion in suggestions}
    }

    def compute_score(suggestion: Suggestion) -> float:
        own = compute_acceptance(
            decision for decision in decisions if (decision.kind, decision.key) == (suggestion.kind, suggestion.key)
        )
        return suggestion.value * kinds[suggestion.kind] * own

    open_ones = [suggestion for suggestion in suggestions if (suggestion.kind, suggestion.key) not in silent]
    return sorted(open_ones, key=compute_score, reverse=True)


def shorten(suggestion: Suggestion) -> Suggestion:
    """Return the suggestion with texts that fit into a decision."""
    return replace(suggestion, headline=suggestion.headline[:300], expectation=suggestion.expectation[:500])
