"""Who may change what an experiment varies, over REST: the same as in the back office."""

from django.utils.translation import gettext as _
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from recommendations.experiments.models import Experiment
from recommendations.experiments.subjects import ExperimentSubject, find_subject


def check_starting(request: Request, experiment: Experiment) -> None:
    """Raise PermissionDenied if the variants have content of their own, which the caller may not write."""
    subject = find_subject(experiment.kind)
    if subject is not None and subject.needs_permission_to_start:
        check_subject(request, subject)


def check_promoting(request: Request, experiment: Experiment) -> None:
    """Raise PermissionDenied unless the caller may change the settings that a promotion changes."""
    subject = find_subject(experiment.kind)
    if subject is not None and subject.permission:
        check_subject(request, subject)


def check_subject(request: Request, subject: ExperimentSubject) -> None:
    """Check the permission of a back-office user, or the scope of an API key."""
    if request.user.pk is not None:
        if not request.user.has_perm(subject.permission):
            raise PermissionDenied(
                _(
                    "You are not allowed to change what this experiment varies. It requires the permission %(permission)s."
                )
                % {"permission": subject.permission}
            )
    elif subject.scope not in getattr(request.auth, "scopes", ()):
        raise PermissionDenied(
            _("The key is not allowed to change what this experiment varies. It also requires the scope %(scope)s.")
            % {"scope": subject.scope}
        )
