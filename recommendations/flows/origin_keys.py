"""The keys of flows by the steps that send their messages, for the links in them."""

from collections.abc import Collection

from recommendations.flows.models import FlowStepRun


def find_flow_keys(step_run_ids: Collection[int]) -> dict[int, str]:
    return dict(FlowStepRun.objects.filter(pk__in=step_run_ids).values_list("pk", "entry__flow__key"))
