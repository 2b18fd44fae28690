"""The nightly job: learns from past campaigns and stores the next best action of every customer."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db import transaction

from customers.lifecycle.facts.amounts import get_amount_currency
from recommendations.campaigns.models import Campaign
from recommendations.campaigns.results.groups import build_members
from recommendations.measurement.assignment_records import HOLDOUT, TREATED
from recommendations.measurement.outcomes.columns import OutcomeColumn
from recommendations.measurement.outcomes.counting import count_outcomes
from recommendations.uplift.actions import CampaignCandidate, list_allowed_ids, write_actions
from recommendations.uplift.models import CustomerAction, UpliftModel, UpliftSettings
from recommendations.uplift.past_campaigns import (
    PastCustomers,
    list_finished_runs,
    list_past_campaigns,
    read_past_customers,
)
from recommendations.uplift.training import EffectModel, count_evidence, train_model

MAX_CANDIDATES = 8  # the newest campaigns; each is scored for all customers
OWN_MODELS = 2  # campaigns with a model of their own, the newest; the others use that of all campaigns


def load_uplift_settings() -> UpliftSettings:
    return UpliftSettings.objects.first() or UpliftSettings()


def refresh_actions(*, as_of: datetime) -> UpliftModel:
    """Learn, store the models' figures, and choose an action for each customer.

    With too little to learn from there are no actions, rather than invented ones; the model says what is missing.
    """
    campaigns = list_past_campaigns(as_of)
    customers = read_past_customers(campaigns, as_of)
    evidence = count_evidence(customers)
    if evidence.problem:
        return store_problem(evidence.problem, asdict(evidence), as_of=as_of)
    model = train_model(customers)
    own = train_own_models(campaigns, customers)
    margins = {campaign.pk: measure_margin(campaign, as_of) for campaign in campaigns}
    candidates = [
        CampaignCandidate(
            campaign, own.get(campaign.pk, model), margins[campaign.pk], list_allowed_ids(campaign, as_of)
        )
        for campaign in campaigns[:MAX_CANDIDATES]
        if margins[campaign.pk] > 0
    ]
    choice = write_actions(model, candidates, as_of=as_of, settings=load_uplift_settings())
    shared = {"currency": get_amount_currency(), "choice": dict(choice)}
    counted = asdict(evidence)
    with transaction.atomic():
        UpliftModel.objects.all().delete()
        for campaign in campaigns:
            if campaign.pk in own:
                facts = asdict(count_evidence(select_campaign(customers, campaign)))
                store_model(campaign, own[campaign.pk], {"evidence": facts}, as_of)
        return store_model(None, model, {"evidence": counted, **shared}, as_of)


def train_own_models(campaigns: list[Campaign], customers: PastCustomers) -> dict[int, EffectModel]:
    """Return models of campaigns that have enough customers of their own, if there are several campaigns."""
    models: dict[int, EffectModel] = {}
    if len(campaigns) < 2:
        return models
    for campaign in campaigns[:MAX_CANDIDATES]:
        own = select_campaign(customers, campaign)
        if len(models) < OWN_MODELS and not count_evidence(own).problem:
            models[campaign.pk] = train_model(own)
    return models


def select_campaign(customers: PastCustomers, campaign: Campaign) -> PastCustomers:
    return customers.select(np.flatnonzero(customers.campaign == campaign.pk))


def measure_margin(campaign: Campaign, as_of: datetime) -> float:
    """Return the margin per customer with an order in the campaign's windows; 0 without orders."""
    runs = list_finished_runs(campaign, as_of)
    until = max(run.started_at for run in runs) + timedelta(days=campaign.attribution_days)
    counted = count_outcomes(build_members(campaign, runs, until=until), as_of=as_of)
    groups = [counted.get_group(name) for name in (TREATED, HOLDOUT)]
    buyers = sum(group.buyers for group in groups)
    return sum(group.get_sum(OutcomeColumn.MARGIN) for group in groups) / buyers if buyers else 0.0


def store_problem(problem: str, numbers: dict[str, Any], *, as_of: datetime) -> UpliftModel:
    with transaction.atomic():
        UpliftModel.objects.all().delete()
        CustomerAction.objects.all().delete()
        return UpliftModel.objects.create(problem=problem, figures={"evidence": numbers}, computed_at=as_of)


def store_model(campaign: Campaign | None, model: EffectModel, more: dict[str, Any], as_of: datetime) -> UpliftModel:
    figures = {**model.figures, "groups": [asdict(group) for group in model.groups], **more}
    return UpliftModel.objects.create(campaign=campaign, figures=figures, computed_at=as_of)
