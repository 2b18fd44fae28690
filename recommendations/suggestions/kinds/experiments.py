"""Suggested experiments: for recommendations that are shown, but whose effect was never measured."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Sum
from django.urls import reverse
from django.utils.timezone import localdate
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from config.foundation.database.advisory_locks import compute_lock_key
from config.foundation.number_formats import format_count
from config.foundation.shop.profile import get_time_zone
from config.foundation.slow_figures import get_figures, get_figures_soon
from recommendations.experiments.editing import ExperimentNotReadyError, create_draft, start_experiment
from recommendations.experiments.methods.registry import measure_experiment
from recommendations.experiments.models import Experiment
from recommendations.experiments.results import ExperimentResults, ExperimentVerdict
from recommendations.serving.experiments.names import HELD_OUT_PLACEMENTS, HOLDOUT
from recommendations.serving.impressions.models import PerformanceDay
from recommendations.suggestions.models import SuggestionDecision
from recommendations.suggestions.suggestion import Draft, LaterEffect, StartError, Suggestion

DAYS = timedelta(days=28)
MIN_SHOWN = 1_000  # impressions; with fewer, an experiment takes too long
KEY = "recommendations"


class ExperimentSuggestions:
    """Suggests a holdout experiment on the recommendations until one has been started."""

    key = "experiment"
    label = gettext_lazy("Experiment")
    permissions = ("experiments.add_experiment",)
    start_permissions = ("experiments.change_experiment",)

    def find(self, *, as_of: datetime) -> list[Suggestion]:
        latest = find_latest()
        if latest is not None and latest.status != Experiment.Status.DRAFT:
            return []  # the effect is being measured, or has been
        shown = get_figures("suggestions.experiments", int, lambda: count_shown(as_of=as_of))
        return [build_suggestion(shown, draft=latest)] if shown >= MIN_SHOWN else []

    def create_draft(self, key: str, *, by: User, now: datetime) -> Draft:
        if key != KEY:
            raise LookupError(key)
        with transaction.atomic():
            lock_creation()  # a double click waits here
            existing = find_latest()
            if existing is not None:
                return Draft(make_url(existing), existing.pk, is_new=False)
            experiment = create_draft(
                kind=HOLDOUT,
                subject="",
                count=2,
                name=_("Incremental lift of recommendations"),
                metric=Experiment.Metric.REVENUE,
            )
        return Draft(make_url(experiment), experiment.pk)

    def start(self, draft: Draft, *, by: User, now: datetime) -> None:
        try:
            start_experiment(experiment=Experiment.objects.get(pk=draft.created_id or 0), user=by, now=now)
        except ExperimentNotReadyError as error:
            raise StartError(draft, [str(error)]) from error

    def describe_effects(self, decisions: Sequence[SuggestionDecision], *, as_of: datetime) -> dict[int, LaterEffect]:
        experiments = Experiment.objects.prefetch_related("variants").in_bulk(
            [decision.created_id for decision in decisions if decision.created_id]
        )
        return {
            decision.pk: LaterEffect(
                describe_experiment(experiments[decision.created_id], as_of=as_of),
                make_url(experiments[decision.created_id]),
            )
            for decision in decisions
            if decision.created_id in experiments
        }


def lock_creation() -> None:
    """Wait for the lock and hold it until the end of the transaction; before the first experiment, there is no row that could be locked."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [compute_lock_key(f"suggestions.{KEY}")])


def find_latest() -> Experiment | None:
    """Return the latest experiment on the recommendations; while it is no draft, none is suggested."""
    return Experiment.objects.filter(kind=HOLDOUT, is_simulated=False).order_by("pk").last()


def make_url(experiment: Experiment) -> str:
    page = "draft" if experiment.status == Experiment.Status.DRAFT else "experiment"
    return reverse(f"experiments:{page}", args=[experiment.key])


def count_shown(*, as_of: datetime) -> int:
    """Return the impressions of the placements that a holdout experiment turns off, in the whole days that the performance page shows."""
    today = localdate(as_of, get_time_zone())
    days = PerformanceDay.objects.filter(
        day__gte=today - DAYS, day__lt=today, currency="", scenario__in=HELD_OUT_PLACEMENTS
    )
    return days.aggregate(shown=Sum("shown"))["shown"] or 0


def build_suggestion(shown: int, *, draft: Experiment | None) -> Suggestion:
    return Suggestion(
        kind=ExperimentSuggestions.key,
        key=KEY,
        headline=ngettext(
            "Personal recommendations showed products %(number)s time in four weeks, but their incremental lift is not measured",
            "Personal recommendations showed products %(number)s times in four weeks, but their incremental lift is not measured",
            shown,
        )
        % {"number": format_count(shown)},
        advice=_(
            "Some of the clicks, and of the orders after a click, would have happened without recommendations. An "
            "experiment leaves some customers out at random."
        ),
        expectation=_("Its effect is not known yet. The draft has a holdout group, so the effect will be measured."),
        value=1.0,
        draft_url=make_url(draft) if draft else "",
        draft_name=draft.name if draft else "",
        figures={"shown": shown},
    )


def describe_experiment(experiment: Experiment, *, as_of: datetime) -> str:
    """Return the experiment's status and what it has shown."""
    status = experiment.get_status_display()
    if experiment.started_at is None:
        return _("Experiment: %(status)s") % {"status": status}
    results = get_figures_soon(
        f"suggestions.experiment:{experiment.pk}:{experiment.status}",
        ExperimentResults,
        lambda: measure_experiment(experiment, as_of=as_of),
    )
    texts = {
        ExperimentVerdict.BETTER: _("an effect was shown"),
        ExperimentVerdict.WORSE: _("no effect was shown"),
        ExperimentVerdict.UNEVEN_GROUPS: _("the group sizes do not match the planned shares"),
        ExperimentVerdict.TOO_FEW: _("too few to tell"),
    }
    unclear = _("not clear yet") if experiment.stopped_at is None else _("not clear")
    finding = texts.get(results.verdict, unclear) if results else _("being counted")
    return _("Experiment: %(status)s, %(finding)s") % {"status": status, "finding": finding}
