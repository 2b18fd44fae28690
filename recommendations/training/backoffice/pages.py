"""Back-office actions of a training: start, progress and cancel."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from config.foundation.processes.background_tasks import start_task
from recommendations.training.backoffice.labels.step_labels import get_step_label
from recommendations.training.models import EvaluationRun
from recommendations.training.runs import get_running_training, is_run_alive, request_cancellation
from recommendations.training.tasks import train_nightly

REQUESTED_KEY = "training_requested_at"
MAX_WAIT = timedelta(hours=1)
MIN_PERCENT = 5  # below, an estimate of the remaining time would be too unreliable


def start_training(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    """Queue a training."""
    if (rejection := reject_unless_allowed(request, model_admin)) is not None:
        return rejection
    if get_running_training() is not None:
        messages.warning(request, _("Training is already running."))
    elif not start_task(train_nightly):
        messages.error(request, _("The job queue did not respond. Try again."))
    else:
        request.session[REQUESTED_KEY] = timezone.now().isoformat()
    return redirect_to_list()


def is_training_waiting(request: HttpRequest, *, at: datetime) -> bool:
    """Return whether a training that the user requested has yet to start; an old request counts as lost with its queue."""
    text = request.session.get(REQUESTED_KEY)
    if text is None:
        return False
    requested_at = datetime.fromisoformat(text)
    has_started = EvaluationRun.objects.filter(started_at__gte=requested_at).exists()
    if has_started or at - requested_at > MAX_WAIT:
        del request.session[REQUESTED_KEY]
        return False
    return True


def cancel_training(request: HttpRequest, *, model_admin: ModelAdmin, run_id: int) -> HttpResponse:
    """Request the cancellation of a running training."""
    if (rejection := reject_unless_allowed(request, model_admin)) is not None:
        return rejection
    if request_cancellation(run_id=run_id, at=timezone.now()):
        messages.success(request, _("The training stops within seconds. The active version continues to serve."))
    else:
        messages.warning(request, _("This training run has already ended."))
    return redirect_to_list()


def show_progress(request: HttpRequest, *, model_admin: ModelAdmin, run_id: int) -> HttpResponse:
    """Return the progress of a training as JSON for the progress bar."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    return JsonResponse(describe_progress(get_object_or_404(EvaluationRun, pk=run_id), at=timezone.now()))


def describe_progress(run: EvaluationRun, *, at: datetime) -> dict[str, Any]:
    """Return the progress.

    ``left``: estimated seconds, None while the progress is too small to estimate.
    """
    elapsed = (at - run.started_at).total_seconds()
    remaining = round(elapsed * (100 - run.percent) / run.percent) if run.percent >= MIN_PERCENT else None
    text = get_step_label(run.step)
    if remaining is not None:
        text = _("%(step)s, about %(seconds)s seconds left") % {"step": text, "seconds": remaining}
    return {"running": is_run_alive(run), "percent": run.percent, "left": remaining, "text": text}


def reject_unless_allowed(request: HttpRequest, model_admin: ModelAdmin) -> HttpResponse | None:
    """Return an error response unless the request may change trainings. Raises PermissionDenied."""
    if not model_admin.has_change_permission(request):
        raise PermissionDenied
    return None if request.method == "POST" else HttpResponseNotAllowed(["POST"])


def redirect_to_list() -> HttpResponse:
    """Redirect to the list of model versions."""
    return HttpResponseRedirect(reverse("admin:training_modelversion_changelist"))
