"""What suggestions learn from decisions."""

from datetime import timedelta

import pytest

from recommendations.suggestions.learning import compute_acceptance, find_silenced_keys, rank_suggestions
from recommendations.suggestions.models import SuggestionDecision
from recommendations.suggestions.suggestion import Suggestion
from tests.makers import NOON

DAY = timedelta(days=1)


def decide(
    key: str = "at-risk", *, reason: str = "", days_ago: float = 1, kind: str = "campaign"
) -> SuggestionDecision:
    outcome = "dismissed" if reason else "accepted"
    return SuggestionDecision(kind=kind, key=key, outcome=outcome, reason=reason, decided_at=NOON - days_ago * DAY)


def suggest(key: str, value: float, *, kind: str = "campaign") -> Suggestion:
    return Suggestion(kind=kind, key=key, headline=key, advice="", expectation="", value=value)


def test_a_dismissed_suggestion_is_silent_for_the_time_of_its_reason() -> None:
    decisions = [decide("a", reason="not_now", days_ago=13), decide("b", reason="not_now", days_ago=15)]
    assert find_silenced_keys(decisions, as_of=NOON) == {("campaign", "a")}
    assert find_silenced_keys([decide("a", reason="not_relevant", days_ago=179)], as_of=NOON)
    assert not find_silenced_keys([decide("a")], as_of=NOON)


@pytest.mark.parametrize(
    ("decisions", "expected"),
    [
        ([], 1 / 2),
        ([decide()], 2 / 3),
        ([decide(reason="no_effect")], 1 / 3),
        ([decide(reason="not_now")], 1 / 2.25),
        ([decide(), decide(), decide(reason="no_effect")], 3 / 5),
    ],
)
def test_acceptance_is_the_mean_of_the_beta_distribution(decisions: list[SuggestionDecision], expected: float) -> None:
    assert compute_acceptance(decisions) == pytest.approx(expected)


def test_suggestions_are_ordered_by_expected_orders_until_dismissals_speak_against_their_kind() -> None:
    suggestions = [suggest("small", 3), suggest("large", 8), suggest("7", 4, kind="rule")]
    assert [found.key for found in rank_suggestions(suggestions, [], as_of=NOON)] == ["large", "7", "small"]
    dismissals = [decide("large", reason="no_effect", days_ago=100 + number) for number in range(2)]
    assert [found.key for found in rank_suggestions(suggestions, dismissals, as_of=NOON)] == ["7", "large", "small"]
    silent = [decide("large", reason="no_effect")]
    assert "large" not in [found.key for found in rank_suggestions(suggestions, silent, as_of=NOON)]
