"""The buttons of an experiment: start, stop, promote, undo, archive and delete. Start also saves the draft, so `draft_page` calls it."""

from collections.abc import Callable

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from config.foundation.backoffice.permissions import check_permissions
from config.foundation.number_formats import join_sentences
from recommendations.experiments import editing
from recommendations.experiments.backoffice.access import (
    CHANGE,
    DELETE,
    NOT_PERMITTED,
    check_setting_up,
    get_experiment,
    may_promote,
)
from recommendations.experiments.models import Experiment
from recommendations.experiments.subjects import find_subject


def run_action(
    request: HttpRequest, key: str, change: Callable[[Experiment], str | Promise | None], success: str | Promise
) -> HttpResponse:
    """Run an action and show the experiment, with a message about what was done or why it was not possible.

    change: may return a sentence that the message about a success ends with.
    """
    check_permissions(request, CHANGE)
    experiment = get_experiment(key)
    try:
        note = change(experiment)
        messages.success(request, join_sentences([str(success), str(note or "")]))
    except editing.ExperimentNotReadyError as error:
        messages.error(request, str(error))
    return HttpResponseRedirect(reverse("experiments:experiment", args=[key]))


def check_promotion(request: HttpRequest, experiment: Experiment) -> None:
    if not may_promote(request, experiment):
        raise PermissionDenied(NOT_PERMITTED)


def start(request: HttpRequest, key: str) -> HttpResponse:
    def change(experiment: Experiment) -> None:
        check_setting_up(request, experiment.kind)
        editing.start_experiment(experiment=experiment, user=request.user, now=timezone.now())

    return run_action(
        request,
        key,
        change,
        gettext_lazy(
            "The experiment is running. Visitors see its variants within a few seconds; messages vary starting with the next run."
        ),
    )


@require_POST
def stop(request: HttpRequest, key: str) -> HttpResponse:
    return run_action(
        request,
        key,
        lambda experiment: editing.stop_experiment(experiment=experiment, user=request.user, now=timezone.now()),
        gettext_lazy("The experiment is stopped. Everyone gets the current settings again."),
    )


@require_POST
def promote(request: HttpRequest, key: str) -> HttpResponse:
    def change(experiment: Experiment) -> str | Promise:
        check_promotion(request, experiment)
        variant = get_object_or_404(experiment.variants, key=request.POST.get("variant", ""))
        editing.promote_variant(experiment=experiment, variant=variant, user=request.user, now=timezone.now())
        subject = find_subject(experiment.kind)
        describe = subject.describe_unpromoted if subject is not None else None
        return describe(variant.config) if describe is not None else ""

    return run_action(
        request, key, change, gettext_lazy("The settings of the variant now apply to everyone. You can undo this.")
    )


@require_POST
def undo(request: HttpRequest, key: str) -> HttpResponse:
    def change(experiment: Experiment) -> None:
        check_promotion(request, experiment)
        editing.undo_promotion(experiment=experiment)

    return run_action(request, key, change, gettext_lazy("The settings from before the promotion apply again."))


@require_POST
def archive(request: HttpRequest, key: str) -> HttpResponse:
    """Archive an experiment, or restore it from the archive."""
    check_permissions(request, CHANGE)
    experiment = get_experiment(key)
    if experiment.archived_at:
        editing.unarchive_experiment(experiment=experiment)
        text = _("“%(name)s” was unarchived.")
    else:
        try:
            editing.archive_experiment(experiment=experiment, now=timezone.now())
        except editing.ExperimentNotReadyError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(reverse("experiments:experiment", args=[key]))
        text = _("“%(name)s” was archived.")
    messages.success(request, text % {"name": experiment.name})
    return HttpResponseRedirect(reverse("experiments:list"))


@require_POST
def delete(request: HttpRequest, key: str) -> HttpResponse:
    check_permissions(request, DELETE)
    experiment = get_experiment(key)
    if experiment.status != Experiment.Status.DRAFT:
        messages.error(request, _("Only a draft can be deleted, because results must remain available."))
        return HttpResponseRedirect(reverse("experiments:experiment", args=[key]))
    experiment.delete()
    messages.success(request, _("The draft was deleted."))
    return HttpResponseRedirect(reverse("experiments:list"))
