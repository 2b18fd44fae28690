"""The page Suggestions: what could be done now, the decisions, and their later effects."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.backoffice.tables import Cell, Column, build_table
from config.foundation.number_formats import format_count, format_moment, format_percent, join_label
from recommendations.suggestions.backoffice.cards import DECIDE, build_cards
from recommendations.suggestions.learning import REASON_RULES, compute_acceptance, load_decisions
from recommendations.suggestions.models import SuggestionDecision
from recommendations.suggestions.registry import KINDS

VIEW = "suggestions.view_suggestiondecision"
PAGE_SIZE = 10
Outcome = SuggestionDecision.Outcome
COLUMNS = (
    Column(key="headline", label=gettext_lazy("Suggestion"), align="text"),
    Column(key="effect", label=gettext_lazy("Measured effect"), align="text"),
    Column(key="outcome", label=gettext_lazy("Decision"), sort="outcome", align="text"),
    Column(key="reason", label=gettext_lazy("Reason"), align="text"),
    Column(key="kind", label=gettext_lazy("Kind"), sort="kind", align="text"),
    Column(key="at", label=gettext_lazy("Decided"), sort="decided_at", align="text"),
    Column(key="by", label=gettext_lazy("By"), align="text"),
)


@dataclass(frozen=True)
class SilencedSuggestion:
    """A dismissed suggestion, and the moment until which it is not made again."""

    decision_id: int
    headline: str
    until: str


def show_suggestions(request: HttpRequest) -> HttpResponse:
    """Show open suggestions and the history; ``?kind=`` and ``?outcome=`` filter it."""
    check_permissions(request, VIEW)
    now = timezone.now()
    kind, outcome = request.GET.get("kind", ""), request.GET.get("outcome", "")
    decisions = SuggestionDecision.objects.select_related("decided_by")
    if kind in KINDS:
        decisions = decisions.filter(kind=kind)
    if outcome in Outcome.values:
        decisions = decisions.filter(outcome=outcome)
    counted = load_decisions(as_of=now)
    can_decide = request.user.has_perm(DECIDE)
    return render_page(
        request,
        "admin/suggestions/list.html",
        title=pgettext("next steps", "Suggestions"),
        verdict=describe_decisions(),
        suggestions=build_cards(may=request.user.has_perm, as_of=now) if can_decide else None,
        next=request.path,
        kinds=[(key, capfirst(str(found.label)), key == kind) for key, found in KINDS.items()],
        outcomes=[(key, capfirst(str(label)), key == outcome) for key, label in Outcome.choices],
        acceptances=list_acceptances(counted),
        silent=list_silent(counted, as_of=now) if can_decide else [],
        table=build_table(
            request,
            decisions,
            id="decisions",
            label=gettext_lazy("Decisions on suggestions"),
            columns=COLUMNS,
            format_row=lambda decision: format_decision(decision, as_of=now),
            default_sort="-at",
            page_size=PAGE_SIZE,
        ),
    )


def format_decision(decision: SuggestionDecision, *, as_of: datetime) -> dict[str, Any]:
    kind = KINDS.get(decision.kind)
    effects = kind.describe_effects([decision], as_of=as_of) if kind and decision.created_id else {}
    effect = effects.get(decision.pk)
    status = decision.get_outcome_display()
    if decision.withdrawn_at:
        status = _("%(decision)s, undone") % {"decision": status}
    reason = capfirst(str(decision.get_reason_display()))
    return {
        "at": format_moment(decision.decided_at),
        "headline": Cell(decision.headline, title=decision.expectation),
        "kind": capfirst(str(kind.label)) if kind else decision.kind,
        "outcome": capfirst(status),
        "reason": Cell(join_label(reason, decision.note) if decision.note else reason) if decision.reason else None,
        "by": decision.decided_by.get_username() if decision.decided_by else None,
        "effect": Cell(effect.text, url=effect.url) if effect else None,
    }


def describe_decisions() -> str:
    """Return one sentence on how many suggestions were accepted and dismissed; undone dismissals do not count."""
    decisions = SuggestionDecision.objects.filter(withdrawn_at=None).order_by()
    counts = dict(decisions.values_list("outcome").annotate(Count("pk")))
    accepted, dismissed = counts.get(Outcome.ACCEPTED, 0), counts.get(Outcome.DISMISSED, 0)
    if not accepted + dismissed:
        return ""
    return ngettext(
        "%(accepted)s of %(count)s suggestion was accepted.",
        "%(accepted)s of %(count)s suggestions were accepted.",
        accepted + dismissed,
    ) % {"accepted": format_count(accepted), "count": format_count(accepted + dismissed)}


def list_acceptances(decisions: Sequence[SuggestionDecision]) -> list[tuple[str, str]]:
    """Return the expected acceptance, by which suggestions are ranked, of each kind that has decisions."""
    return [
        (
            capfirst(str(kind.label)),
            format_percent(compute_acceptance(found for found in decisions if found.kind == key), 0),
        )
        for key, kind in KINDS.items()
        if any(found.kind == key for found in decisions)
    ]


def list_silent(decisions: Sequence[SuggestionDecision], *, as_of: datetime) -> list[SilencedSuggestion]:
    """Return the dismissed suggestions that are not made again for a while."""
    return [
        SilencedSuggestion(decision.pk, decision.headline, format_moment(until))
        for decision in decisions
        if decision.outcome == Outcome.DISMISSED
        and (until := decision.decided_at + REASON_RULES[decision.reason].silence) > as_of
    ]
