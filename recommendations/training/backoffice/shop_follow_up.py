"""A step after the import of a shop: training, then the first recommendations."""

from datetime import datetime

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from customers.connectors.follow_ups.registry import FollowUp, FollowUpState, register_follow_up
from recommendations.training.data.extract import NOT_CONSENTED
from recommendations.training.models import EvaluationRun
from recommendations.training.runs import is_run_alive

Status = EvaluationRun.Status


def read_training_state(since: datetime) -> FollowUpState:
    runs = list(EvaluationRun.objects.filter(started_at__gte=since).order_by("-started_at")[:20])
    if any(run.status == Status.DONE for run in runs):
        return FollowUpState("done")
    if not runs:
        return FollowUpState("waiting")
    run = runs[0]
    if is_run_alive(run):
        return FollowUpState("running", percent=run.percent)
    if run.status == Status.RUNNING:
        return FollowUpState("failed", text=_("the process stopped before the training finished."))
    if NOT_CONSENTED in run.error:
        return FollowUpState("failed", text=_("no customer with orders has consented to personalization."))
    return FollowUpState("failed", text=run.error or run.get_status_display())


def find_example_url(customer_id: int | None) -> str:
    """Return the URL of the recommendations for a customer of the shop."""
    if customer_id is None:
        return reverse("admin:serving_preview_changelist")
    return reverse("admin:serving_for_customer", args=[customer_id])


register_follow_up(
    FollowUp(
        key="recommendations",
        label=_("recommendations"),
        task="recommendations.training.tasks.train_nightly",
        warm_up_task="recommendations.serving.tasks.compile_kernels",
        order=20,
        read_state=read_training_state,
        url_name="admin:training_evaluationrun_changelist",
        permission="training.view_modelversion",
        result_label=_("See the first recommendations"),
        result=find_example_url,
    )
)
