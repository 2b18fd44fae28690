"""The keys and numbers of flows by the steps that send their messages, for links and holdout groups."""

from collections.abc import Collection

from recommendations.flows.models import FlowStepRun


def find_flow_keys(step_run_ids: Collection[int]) -> dict[int, str]:
    return dict(FlowStepRun.objects.filter(pk__in=step_run_ids).values_list("pk", "entry__flow__key"))


def find_flow_numbers(step_run_ids: Collection[int]) -> dict[int, int]:
    """Return the number of the flow of each."""
    return dict(FlowStepRun.objects.filter(pk__in=step_run_ids).values_list("pk", "entry__flow_id"))
