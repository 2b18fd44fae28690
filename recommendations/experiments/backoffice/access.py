"""Permissions and look-ups of the pages of experiments."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext_lazy

from recommendations.experiments.models import Experiment
from recommendations.experiments.subjects import find_subject

VIEW, ADD, CHANGE, DELETE = (f"experiments.{action}_experiment" for action in ("view", "add", "change", "delete"))

NOT_PERMITTED = gettext_lazy(
    "You do not have permission to change what this experiment varies. Ask an administrator for it."
)


def may_promote(request: HttpRequest, experiment: Experiment) -> bool:
    """Return whether the user may change the settings that a promotion changes, as on their own page."""
    subject = find_subject(experiment.kind)
    needed = [CHANGE, *([subject.permission] if subject is not None and subject.permission else [])]
    return bool(request.user.has_perms(needed))


def may_set_up(request: HttpRequest, kind: str) -> bool:
    """Return whether the user may set up and start experiments of a kind; those with content of their own need the right to write it."""
    subject = find_subject(kind)
    return subject is None or not subject.needs_permission_to_start or bool(request.user.has_perm(subject.permission))


def check_setting_up(request: HttpRequest, kind: str) -> None:
    if not may_set_up(request, kind):
        raise PermissionDenied(NOT_PERMITTED)


def get_experiment(key: str) -> Experiment:
    return get_object_or_404(Experiment.objects.prefetch_related("variants"), key=key)
