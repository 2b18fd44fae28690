"""The first step after an import: the profiles of the customers."""

from datetime import datetime

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from config.foundation.job_runs import JobStatus
from config.foundation.number_formats import format_count
from customers.connectors.follow_ups.registry import FollowUp, FollowUpState, register_follow_up
from customers.lifecycle.models import LifecycleRun


def read_profile_state(since: datetime) -> FollowUpState:
    runs = list(LifecycleRun.objects.filter(started_at__gte=since).order_by("-started_at")[:20])
    if done := next((run for run in runs if run.status == JobStatus.DONE), None):
        text = ngettext("%(count)s customer", "%(count)s customers", done.customers)
        return FollowUpState("done", text=text % {"count": format_count(done.customers)})
    if not runs:
        return FollowUpState("waiting")
    if runs[0].status == JobStatus.RUNNING:
        return FollowUpState("running")
    return FollowUpState("failed", text=runs[0].error)


register_follow_up(
    FollowUp(
        key="profiles",
        label=_("customer profiles"),
        task="customers.lifecycle.tasks.refresh_profiles",
        order=10,
        read_state=read_profile_state,
        url_name="admin:lifecycle_lifecyclerun_changelist",
        permission="lifecycle.view_lifecyclerun",
    )
)
