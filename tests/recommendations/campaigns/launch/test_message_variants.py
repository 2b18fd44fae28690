"""Experiments on the messages of a campaign: who gets which, exposures stored once with the run, results, promotion and undo."""

from datetime import time, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import translation

from customers.identity.merging.merge import merge_customers
from customers.identity.models import Customer
from recommendations.campaigns.launch.runs import start_due_runs
from recommendations.campaigns.launch.transitions import cancel, launch
from recommendations.campaigns.models import Campaign, CampaignSettings
from recommendations.experiments.editing import (
    ExperimentNotReadyError,
    find_start_problem,
    promote_variant,
    undo_promotion,
)
from recommendations.experiments.methods.registry import measure_experiment, plan_experiment
from recommendations.experiments.models import Experiment, ExperimentExposure
from recommendations.measurement.assignment import compute_bucket
from recommendations.messaging.models import MessageTemplate, TemplateVersion
from recommendations.messaging.template_uses import TemplateInUseError, archive_template
from recommendations.sending.models import Delivery
from tests.makers import NOON, make_consent, make_customer, make_order, make_product, make_segment
from tests.recommendations.campaigns.makers import make_campaign, make_reachable, make_template, update_deliveries
from tests.recommendations.experiments.makers import make_experiment

pytestmark = pytest.mark.django_db
WEEKLY = {"kind": "recurring", "weekdays": [4], "send_time": time(9)}
FIRST, SECOND = NOON + timedelta(days=2), NOON + timedelta(days=9)


@pytest.fixture
def other() -> MessageTemplate:
    return make_template()


@pytest.fixture
def campaign(other: MessageTemplate) -> Campaign:
    """A draft for 30 customers, a fifth of them held out."""
    make_reachable(30)
    return make_campaign(make_segment("everyone"), holdout_share="0.2", key="news", name="News")


def vary(other: MessageTemplate, *, shares: tuple[str, ...] = ("0.25", "0.75"), **fields: Any) -> Experiment:
    configs = ({}, {"template": other.key})
    return make_experiment("which", configs=configs, shares=shares, kind="message", subject="news", **fields)


def list_versions(**conditions: Any) -> dict[int, int]:
    """Return the version that each customer gets."""
    rows = Delivery.objects.filter(origin_kind="campaign", status="pending", **conditions)
    return dict(rows.values_list("customer_id", "template_version_id"))


def test_recipients_get_the_message_of_their_hash_and_are_exposed_with_the_run(
    campaign: Campaign, other: MessageTemplate
) -> None:
    experiment = vary(other)
    launch(campaign, by=None, now=NOON)
    control, varied = experiment.variants.order_by("key")
    own, others = campaign.template.versions.get().pk, other.versions.get().pk
    versions = list_versions()
    assert versions == {
        pk: own if compute_bucket(salt=experiment.salt, customer_id=pk) < 2500 else others for pk in versions
    }
    assert 0 < len(versions) < 30
    stored = ExperimentExposure.objects.values_list("customer_id", "variant_id", "propensity", "exposed_at")
    assert {row[0]: row[1:] for row in stored} == {
        pk: (control.pk, 0.25, NOON) if version == own else (varied.pk, 0.75, NOON) for pk, version in versions.items()
    }
    held_out = Delivery.objects.filter(skip_reason="holdout")
    assert set(held_out.values_list("template_version_id", flat=True)) == {own}


def test_customers_keep_their_message_in_later_runs_whatever_the_shares_are(
    campaign: Campaign, other: MessageTemplate
) -> None:
    Campaign.objects.update(**WEEKLY)
    campaign.refresh_from_db()
    experiment = vary(other, shares=("0.5", "0.5"), method="bandit")
    launch(campaign, by=None, now=NOON)
    assert start_due_runs(now=FIRST) == 1
    first = list_versions()
    assert len(set(first.values())) == 2
    for variant, allocation in zip(experiment.variants.order_by("key"), (0.0001, 0.9999), strict=True):
        variant.allocation = allocation
        variant.save()
    for number in range(5):
        customer = make_customer(email=f"new{number}@shop.example", pk=10**12 + 100 + number)
        make_consent(customer, recorded_at=NOON)
    kept, merged = (next(pk for pk, version in first.items() if version == wanted) for wanted in set(first.values()))
    merge_customers(pairs=[(kept, merged)], at=FIRST, causes=["test"])
    assert start_due_runs(now=SECOND) == 1
    second = list_versions(due_at__gte=SECOND - timedelta(hours=12))
    assert {pk: second[pk] for pk in first if pk not in (kept, merged)} == {
        pk: version for pk, version in first.items() if pk not in (kept, merged)
    }
    new = {pk: version for pk, version in second.items() if pk not in first}
    assert set(new.values()) == {other.versions.get().pk}
    assert ExperimentExposure.objects.count() == len(first) + len(new)


def test_no_message_of_a_campaign_with_a_run_ahead_is_archived(campaign: Campaign, other: MessageTemplate) -> None:
    Campaign.objects.update(**WEEKLY)
    campaign.refresh_from_db()
    vary(other)
    archive_template(make_template())
    launch(campaign, by=None, now=NOON)
    assert campaign.template is not None
    for template in (campaign.template, other):
        with pytest.raises(TemplateInUseError, match="This template is sent by the campaign “News”"):
            archive_template(template)
    cancel(campaign, now=NOON)
    archive_template(other)
    assert MessageTemplate.objects.get(pk=other.pk).archived_at is not None


def test_a_message_that_cannot_be_sent_pauses_the_campaign_and_leaves_nothing(
    campaign: Campaign, other: MessageTemplate
) -> None:
    vary(other)
    TemplateVersion.objects.filter(template=other).update(published_at=None)
    launch(campaign, by=None, now=NOON)
    assert campaign.status == Campaign.Status.PAUSED
    assert "“Variant 1” of the experiment: This message is a draft" in campaign.problem
    assert not Delivery.objects.exists()
    assert not ExperimentExposure.objects.exists()


def test_an_experiment_starts_for_customers_with_messages_that_nobody_has_to_approve(
    campaign: Campaign, other: MessageTemplate
) -> None:
    experiment = vary(other, status="draft")
    assert find_start_problem(experiment) == ""
    experiment.unit = Experiment.Unit.VISITOR
    assert "“customer” as its unit" in str(find_start_problem(experiment))
    experiment.unit = Experiment.Unit.CUSTOMER
    CampaignSettings.objects.create(requires_approval=True)
    assert "approval by a second person" in str(find_start_problem(experiment))


def test_the_results_count_orders_and_clicks_by_message(campaign: Campaign, other: MessageTemplate) -> None:
    experiment = vary(other, shares=("0.5", "0.5"), metric="clicks")
    audience = plan_experiment(experiment, shares=[0.5, 0.5], at=NOON).units
    launch(campaign, by=None, now=NOON)
    versions = list_versions()
    assert audience == len(versions)
    varied = [pk for pk, version in versions.items() if version == other.versions.get().pk]
    product = make_product("tea")
    for customer in Customer.objects.filter(pk__in=varied):
        make_order(customer, products=[product], placed_at=NOON + timedelta(hours=2))
    update_deliveries("clicked_at = %s WHERE customer_id = ANY(%s)", NOON + timedelta(hours=1), varied)
    control, better = measure_experiment(experiment, as_of=NOON + timedelta(days=3)).variants
    assert (control.units, better.units) == (len(versions) - len(varied), len(varied))
    assert (control.buyers, better.buyers) == (0, len(varied))
    clicks = better.get_metric("clicks")
    assert clicks is not None
    assert clicks.total == len(varied)


def test_promotion_changes_the_message_of_later_runs_and_can_be_undone(
    campaign: Campaign, other: MessageTemplate
) -> None:
    own, experiment = campaign.template, vary(other)
    promote_variant(experiment=experiment, variant=experiment.variants.get(key="b"), user=None, now=NOON)
    campaign.refresh_from_db()
    assert campaign.template == other
    launch(campaign, by=None, now=NOON)
    assert set(list_versions().values()) == {other.versions.get().pk}
    undo_promotion(experiment=experiment)
    campaign.refresh_from_db()
    assert campaign.template == own
    Campaign.objects.update(status=Campaign.Status.ENDED)
    with pytest.raises(ExperimentNotReadyError, match="no further run"):
        promote_variant(experiment=experiment, variant=experiment.variants.get(key="b"), user=None, now=NOON)


def test_a_marketer_chooses_the_message_and_others_may_not(
    admin_client: Client, client: Client, campaign: Campaign, other: MessageTemplate
) -> None:
    make_template(channel="sms")
    new = {
        "name": "Which message", "varied": "message:news", "variants": "2", "metric": "orders", "unit": "customer",
        "method": "fixed", "planned_days": "28",
    }  # fmt: skip
    draft = admin_client.post(reverse("experiments:new"), new, follow=True)
    [settings] = [forms.settings for forms in draft.context["variants"] if forms.settings]
    assert [key for key, _name in settings.fields["template"].choices] == ["", other.key]
    values = {
        "a-name": "Control", "a-percent": "50", "b-name": "Other", "b-percent": "50", "b-template": other.key,
    }  # fmt: skip
    admin_client.post(draft.request["PATH_INFO"], values)
    experiment = Experiment.objects.get()
    assert experiment.variants.get(key="b").config == {"template": other.key}
    merchandiser = User.objects.create_user("merchandiser", is_staff=True)
    merchandiser.user_permissions.set(Permission.objects.filter(content_type__app_label="experiments"))
    client.force_login(merchandiser)
    path, values = draft.request["PATH_INFO"], {**values, "action": "start"}
    assert client.post(path, values).status_code == 403
    started = admin_client.post(path, values, follow=True)
    assert "Message of a campaign: News" in started.text
    assert f"Message: {other.name}" in started.text
    page = admin_client.get(reverse("admin:campaigns_campaign_change", args=[campaign.pk]))
    assert "Which message" in page.text
    with translation.override("zh-hans"):
        chinese = admin_client.get(started.request["PATH_INFO"], headers={"accept-language": "zh-hans"}).text
    assert "营销活动的消息：News" in chinese
