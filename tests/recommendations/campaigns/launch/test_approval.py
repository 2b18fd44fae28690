"""Approval by a second person."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from recommendations.campaigns.launch.readiness import LaunchError
from recommendations.campaigns.launch.runs import start_due_runs
from recommendations.campaigns.launch.transitions import approve, launch, return_to_draft
from recommendations.campaigns.models import Campaign, CampaignSettings
from recommendations.messaging.models import TemplateVersion
from tests.makers import NOON
from tests.recommendations.campaigns.makers import make_campaign, make_reachable

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> tuple[User, User]:
    CampaignSettings.objects.create(requires_approval=True)
    make_reachable(2)
    return User.objects.create(username="mia"), User.objects.create(username="ben")


def test_a_campaign_is_sent_only_after_someone_else_has_approved_it(people: tuple[User, User]) -> None:
    mia, ben = people
    campaign = make_campaign(created_by=mia)
    launch(campaign, by=mia, now=NOON)
    assert (campaign.status, campaign.runs.count()) == (Campaign.Status.WAITING, 0)
    assert start_due_runs(now=NOON) == 0
    with pytest.raises(LaunchError, match="Someone else"):
        approve(campaign, by=mia, now=NOON)
    approve(campaign, by=ben, now=NOON)
    assert (campaign.status, campaign.approved_by, campaign.runs.count()) == (Campaign.Status.RUNNING, ben, 1)


def test_who_submits_a_colleagues_draft_cannot_approve_it(people: tuple[User, User]) -> None:
    mia, ben = people
    campaign = make_campaign(created_by=mia)
    launch(campaign, by=ben, now=NOON)
    for author in (mia, ben):
        with pytest.raises(LaunchError, match="Someone else"):
            approve(campaign, by=author, now=NOON)
    return_to_draft(campaign)
    assert (campaign.status, campaign.submitted_by) == (Campaign.Status.DRAFT, None)


def test_a_message_that_changed_after_the_approval_is_not_sent(people: tuple[User, User]) -> None:
    mia, ben = people
    campaign = make_campaign(created_by=mia, starts_at=NOON + timedelta(hours=1))
    launch(campaign, by=mia, now=NOON)
    approve(campaign, by=ben, now=NOON)
    TemplateVersion.objects.create(template=campaign.template, number=2, published_at=NOON)
    assert start_due_runs(now=NOON + timedelta(hours=1)) == 0
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.PAUSED
    assert "has changed" in campaign.problem
