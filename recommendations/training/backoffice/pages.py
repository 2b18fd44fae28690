"""Starting a training from the back office, seeing how far it has come, cancelling it."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from recommendations.training.backoffice.labels.step_labels import step_name
from recommendations.training.models import EvaluationRun
from recommendations.training.runs import request_cancel, running_training
from recommendations.training.tasks import train_nightly


def start(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    if (refused := not_allowed(request, model_admin)) is not None:
        return refused
    if running_training() is not None:
        messages.warning(request, _("A training is under way already."))
    else:
        train_nightly.delay()
        messages.success(request, _("The training starts as soon as a worker is free."))
    return to_the_list()


def cancel(request: HttpRequest, *, model_admin: ModelAdmin, run_id: int) -> HttpResponse:
    if (refused := not_allowed(request, model_admin)) is not None:
        return refused
    if request_cancel(run_id=run_id, at=timezone.now()):
        messages.success(request, _("The training ends within seconds; the active version goes on serving."))
    else:
        messages.warning(request, _("This training has ended already."))
    return to_the_list()


def standing(request: HttpRequest, *, model_admin: ModelAdmin, run_id: int) -> HttpResponse:
    """How far a training has come, for the bar."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    return JsonResponse(standing_of(get_object_or_404(EvaluationRun, pk=run_id), at=timezone.now()))


def standing_of(run: EvaluationRun, *, at: datetime) -> dict[str, Any]:
    """``left``: seconds that it may still take, none before there is anything to reckon by."""
    spent = (at - run.started_at).total_seconds()
    left = round(spent * (100 - run.percent) / run.percent) if run.percent >= 5 else None
    text = step_name(run.step)
    if left is not None:
        text = _("%(step)s, about %(seconds)s seconds left") % {"step": text, "seconds": left}
    return {"running": run.status == EvaluationRun.Status.RUNNING, "percent": run.percent, "left": left, "text": text}


def not_allowed(request: HttpRequest, model_admin: ModelAdmin) -> HttpResponse | None:
    """Raises PermissionDenied."""
    if not model_admin.has_change_permission(request):
        raise PermissionDenied
    return None if request.method == "POST" else HttpResponseNotAllowed(["POST"])


def to_the_list() -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:training_modelversion_changelist"))
