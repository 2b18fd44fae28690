"""Flows, campaigns and destinations that use a segment without a foreign key to it keep it from being deleted."""

import pytest

from customers.destinations.models import Destination
from customers.segments.editing import SegmentInUseError, check_not_in_use
from customers.segments.models import Segment
from recommendations.campaigns.models import Campaign
from recommendations.flows.models import Flow
from tests.makers import make_segment
from tests.recommendations.campaigns.makers import make_campaign
from tests.recommendations.flows.makers import make_live_flow, wait

pytestmark = pytest.mark.django_db
VIP = {"field": "segment", "op": "in", "value": ["vip"]}


@pytest.fixture
def vip() -> Segment:
    return Segment.objects.create(key="vip", name="VIP", kind=Segment.Kind.STATIC)


@pytest.mark.parametrize(
    ("steps", "parts"),
    [
        ([{"key": "tag", "kind": "add_to_segment", "segment": "vip"}], {}),
        ([wait("w", days=1)], {"filter": {"not": VIP}}),
        ([wait("w", days=1)], {"exits": [{"kind": "condition", "condition": VIP}]}),
        ([wait("w", days=1)], {"trigger": {"kind": "segment", "segment": "vip", "direction": "entered"}}),
    ],
)
def test_a_segment_of_a_live_flow_is_not_deleted(
    vip: Segment, steps: list[dict[str, object]], parts: dict[str, object]
) -> None:
    flow = make_live_flow(steps, name="Welcome", **parts)
    with pytest.raises(SegmentInUseError, match="the flow “Welcome”"):
        check_not_in_use(segment=vip)
    Flow.objects.filter(pk=flow.pk).update(status=Flow.Status.ENDED)
    check_not_in_use(segment=vip)


def test_a_segment_that_a_campaign_excludes_is_not_deleted(vip: Segment) -> None:
    campaign = make_campaign(make_segment("everyone"), name="Spring")
    campaign.excluded_segments.add(vip)
    with pytest.raises(SegmentInUseError, match="the campaign “Spring”"):
        check_not_in_use(segment=vip)
    Campaign.objects.filter(pk=campaign.pk).update(status=Campaign.Status.ENDED, next_run_at=None)
    check_not_in_use(segment=vip)


def test_a_segment_that_a_destination_receives_is_not_deleted(vip: Segment) -> None:
    destination = Destination.objects.create(name="Ads", kind="webhook", streams=["segments"])
    destination.segments.add(vip)
    with pytest.raises(SegmentInUseError, match="the destination “Ads”"):
        check_not_in_use(segment=vip)
    destination.segments.clear()
    check_not_in_use(segment=vip)
