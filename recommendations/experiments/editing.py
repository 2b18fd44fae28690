"""Creates, starts, stops and promotes experiments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils.functional import Promise
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from recommendations.experiments.methods.method import ExperimentSetup
from recommendations.experiments.methods.registry import find_method
from recommendations.experiments.models import MAX_KEY_LENGTH, MAX_VARIANTS, Experiment, Variant
from recommendations.experiments.subjects import ExperimentSubject, find_subject

VARIANT_KEYS = "abcdefgh"
FINISHED = (Experiment.Status.STOPPED, Experiment.Status.PROMOTED)  # these can be archived

type User = Any  # a back-office user, the caller of an API key, or nobody


class ExperimentNotReadyError(Exception):
    """The experiment cannot do this now; the message says what to do first."""


@dataclass(frozen=True)
class VariantDraft:
    """A variant to create; the first of several is the control."""

    name: str
    share: Decimal
    config: Mapping[str, Any] = field(default_factory=dict)


def make_key(name: str) -> str:
    """Return a key that no experiment has yet."""
    stem = slugify(name)[: MAX_KEY_LENGTH - 4].strip("-") or "experiment"
    taken = set(Experiment.objects.filter(key__startswith=stem).values_list("key", flat=True))
    if stem not in taken:
        return stem
    return next(f"{stem}-{number}" for number in range(2, len(taken) + 3) if f"{stem}-{number}" not in taken)


@transaction.atomic
def create_experiment(*, variants: Sequence[VariantDraft], **fields: Any) -> Experiment:
    """Create a draft with its variants, of which the first is the control."""
    experiment = Experiment.objects.create(**{"key": make_key(fields["name"]), **fields})
    replace_variants(experiment=experiment, variants=variants)
    return experiment


def create_draft(*, kind: str, subject: str, count: int, **fields: Any) -> Experiment:
    """Create a draft with a control and further variants of equal shares, whose settings are still those of the control."""
    found = find_subject(kind)
    names, shares = (found.variant_names, found.shares) if found is not None else ((), ())
    if not names:
        names = (_("Control"), *(_("Variant %(letter)s") % {"letter": key.upper()} for key in VARIANT_KEYS[1:count]))
    values = [Decimal(share) for share in shares] or split_evenly(len(names))
    drafts = [VariantDraft(str(name), share) for name, share in zip(names, values, strict=True)]
    if found is not None:
        drafts = [drafts[0], *(replace(draft, config=found.first_config) for draft in drafts[1:])]
    return create_experiment(kind=kind, subject=subject, variants=drafts, **fields)


def split_evenly(count: int) -> list[Decimal]:
    """Return equal shares that sum to 1 exactly."""
    share = (Decimal(1) / count).quantize(Decimal("0.0001"))
    return [*[share] * (count - 1), 1 - share * (count - 1)]


@transaction.atomic
def replace_variants(*, experiment: Experiment, variants: Sequence[VariantDraft]) -> None:
    """Replace the variants of a draft, which nobody can start meanwhile."""
    experiment = _lock(experiment)
    if experiment.status != Experiment.Status.DRAFT:
        raise ExperimentNotReadyError(_("Only a draft can be changed."))
    experiment.variants.all().delete()
    for position, draft in enumerate(variants):
        Variant.objects.create(
            experiment=experiment,
            key=VARIANT_KEYS[position],
            name=draft.name,
            share=draft.share,
            config=dict(draft.config),
            is_control=position == 0,
        )


def find_start_problem(experiment: Experiment) -> str | Promise:
    """Return why an experiment cannot be started; empty if it can."""
    variants = list(experiment.variants.all())
    subject = find_subject(experiment.kind)
    if experiment.status != Experiment.Status.DRAFT:
        return _("Only a draft can be started.")
    if subject is None or experiment.subject not in dict(subject.list_choices()):
        return _("What this experiment varies no longer exists. Create a new experiment.")
    if not 2 <= len(variants) <= MAX_VARIANTS:
        return _("An experiment needs 2 to 4 variants.")
    if sum(variant.share for variant in variants) != 1 or min(variant.share for variant in variants) <= 0:
        return _("The shares must be above 0% and sum to 100%.")
    setup = ExperimentSetup(experiment.kind, experiment.subject, experiment.metric, len(variants))
    for problem in find_method(experiment).find_problems(setup).values():
        return problem
    if any(not variant.config for variant in variants if not variant.is_control):
        return _("Each variant besides the control must change at least one setting.")
    other = Experiment.objects.filter(
        kind=experiment.kind, subject=experiment.subject, status=Experiment.Status.RUNNING
    ).first()
    if other is not None:
        return _("“%(name)s” is already varying the same thing. Stop it first.") % {"name": other.name}
    return subject.find_problem(experiment, variants) if subject.find_problem is not None else ""


@transaction.atomic
def start_experiment(*, experiment: Experiment, user: User, now: datetime) -> None:
    """Serve the variants from now on.

    Raises:
        ExperimentNotReadyError: something is missing.
    """
    # another experiment on the same subject that is started at the same time waits here, and then finds this one running
    same = Experiment.objects.filter(kind=experiment.kind, subject=experiment.subject)
    list(same.order_by("pk").select_for_update().values_list("pk"))
    experiment = _lock(experiment)
    if problem := find_start_problem(experiment):
        raise ExperimentNotReadyError(problem)
    experiment.status, experiment.started_at, experiment.started_by = Experiment.Status.RUNNING, now, _get_user(user)
    experiment.save()
    method = find_method(experiment)
    if method.start is not None:
        method.start(experiment, now)


@transaction.atomic
def stop_experiment(*, experiment: Experiment, user: User, now: datetime) -> None:
    """Serve the present settings to everyone again; the results stay.

    Raises:
        ExperimentNotReadyError: it is not running.
    """
    experiment = _lock(experiment)
    if experiment.status != Experiment.Status.RUNNING:
        raise ExperimentNotReadyError(_("Only a running experiment can be stopped."))
    experiment.status, experiment.stopped_at, experiment.stopped_by = Experiment.Status.STOPPED, now, _get_user(user)
    experiment.save()


@transaction.atomic
def promote_variant(*, experiment: Experiment, variant: Variant, user: User, now: datetime) -> None:
    """Make the settings of a variant permanent, and stop the experiment if it is running.

    Raises:
        ExperimentNotReadyError: it never ran, or was promoted already.
    """
    experiment = _lock(experiment)
    if experiment.status not in (Experiment.Status.RUNNING, Experiment.Status.STOPPED):
        raise ExperimentNotReadyError(_("Only a running or stopped experiment can be promoted."))
    if experiment.is_simulated:
        raise ExperimentNotReadyError(_("This experiment is simulated, so nothing can be promoted."))
    if experiment.status == Experiment.Status.RUNNING:
        experiment.stopped_at, experiment.stopped_by = now, _get_user(user)
    promote = _require_subject(experiment).promote
    if promote is None:
        raise ExperimentNotReadyError(
            _("A holdout experiment cannot be promoted. Stop it to show recommendations to everyone.")
        )
    experiment.replaced = promote(experiment.subject, variant.config)
    experiment.status, experiment.promoted_at = Experiment.Status.PROMOTED, now
    experiment.save()
    variant.is_promoted = True
    variant.save(update_fields=["is_promoted"])


@transaction.atomic
def undo_promotion(*, experiment: Experiment) -> None:
    """Restore the settings that the promotion has replaced.

    Raises:
        ExperimentNotReadyError: nothing was promoted.
    """
    experiment = _lock(experiment)
    if experiment.status != Experiment.Status.PROMOTED:
        raise ExperimentNotReadyError(_("No variant of this experiment is promoted."))
    restore = _require_subject(experiment).restore
    if restore is not None:
        restore(experiment.subject, experiment.replaced)
    experiment.status, experiment.promoted_at, experiment.replaced = Experiment.Status.STOPPED, None, {}
    experiment.save()
    for variant in experiment.variants.filter(is_promoted=True):
        variant.is_promoted = False
        variant.save(update_fields=["is_promoted"])


@transaction.atomic
def archive_experiment(*, experiment: Experiment, now: datetime) -> None:
    """Leave a finished experiment out of the list; its results stay.

    Raises:
        ExperimentNotReadyError: it is a draft, or still running.
    """
    experiment = _lock(experiment)
    if experiment.status not in FINISHED:
        raise ExperimentNotReadyError(_("Only a stopped or promoted experiment can be archived."))
    # without updated_at, so that the results in the cache stay valid
    experiment.archived_at = now
    experiment.save(update_fields=["archived_at"])


@transaction.atomic
def unarchive_experiment(*, experiment: Experiment) -> None:
    """Show an archived experiment in the list again."""
    experiment = _lock(experiment)
    experiment.archived_at = None
    experiment.save(update_fields=["archived_at"])


def _lock(experiment: Experiment) -> Experiment:
    return Experiment.objects.select_for_update().get(pk=experiment.pk)


def _require_subject(experiment: Experiment) -> ExperimentSubject:
    subject = find_subject(experiment.kind)
    if subject is None:
        raise ExperimentNotReadyError(_("What this experiment varies no longer exists. Create a new experiment."))
    return subject


def _get_user(user: User) -> Any:
    return user if getattr(user, "pk", None) is not None else None
