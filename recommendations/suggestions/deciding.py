"""Lists the suggestions for a user, and accepts, dismisses and reopens them."""

from collections.abc import Callable
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from config.foundation.audit_log import record_action
from recommendations.suggestions.learning import load_decisions, rank_suggestions, shorten
from recommendations.suggestions.models import SuggestionDecision
from recommendations.suggestions.registry import KINDS
from recommendations.suggestions.suggestion import Draft, Suggestion

Outcome = SuggestionDecision.Outcome


def list_suggestions(*, may: Callable[[str], bool], as_of: datetime) -> list[Suggestion]:
    """Return the suggestions that a user may act on, the most promising first.

    may: returns whether the user has a permission.
    """
    found = [
        suggestion
        for kind in KINDS.values()
        if all(map(may, kind.permissions))
        for suggestion in kind.find(as_of=as_of)
    ]
    return rank_suggestions(found, load_decisions(as_of=as_of), as_of=as_of)


def find_suggestion(kind: str, key: str, *, as_of: datetime) -> Suggestion | None:
    """Return the current version of a suggestion, even if it is silenced; None if it no longer applies."""
    return next((found for found in KINDS[kind].find(as_of=as_of) if found.key == key), None)


def accept_suggestion(suggestion: Suggestion, *, by: User, now: datetime) -> Draft:
    """Create the draft and record the decision; a second call returns the existing draft and records nothing.

    Raises:
        LookupError: the kind no longer has this suggestion.
    """
    with transaction.atomic():
        draft = KINDS[suggestion.kind].create_draft(suggestion.key, by=by, now=now)
        if draft.is_new:
            record_decision(suggestion, Outcome.ACCEPTED, by=by, now=now, created_id=draft.created_id)
        return draft


def dismiss_suggestion(suggestion: Suggestion, *, reason: str, note: str, by: User, now: datetime) -> None:
    record_decision(suggestion, Outcome.DISMISSED, by=by, now=now, reason=reason, note=note)


def record_decision(
    suggestion: Suggestion,
    outcome: SuggestionDecision.Outcome,
    *,
    by: User,
    now: datetime,
    created_id: int | None = None,
    reason: str = "",
    note: str = "",
) -> None:
    suggestion = shorten(suggestion)
    decision = SuggestionDecision.objects.create(
        kind=suggestion.kind,
        key=suggestion.key,
        outcome=outcome,
        reason=reason,
        note=note,
        headline=suggestion.headline,
        expectation=suggestion.expectation,
        figures=suggestion.figures,
        decided_at=now,
        decided_by=by,
        created_id=created_id,
    )
    record_action(
        f"suggestion.{outcome.value}", instance=decision, details={"kind": decision.kind, "key": decision.key}
    )


def reopen_suggestion(decision: SuggestionDecision, *, now: datetime) -> bool:
    """Withdraw a dismissal, so that the suggestion can be made again; return False if it is no dismissal or already withdrawn."""
    changed = SuggestionDecision.objects.filter(pk=decision.pk, outcome=Outcome.DISMISSED, withdrawn_at=None).update(
        withdrawn_at=now
    )
    if changed:
        record_action("suggestion.reopened", instance=decision, details={"kind": decision.kind, "key": decision.key})
    return bool(changed)
