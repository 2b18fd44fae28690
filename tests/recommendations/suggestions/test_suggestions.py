"""Suggestions: found in the data, made a draft or started, dismissed with a reason, and followed up."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from customers.lifecycle.models import CustomerProfile, Stage
from recommendations.campaigns.models import Campaign, CampaignSettings
from recommendations.experiments.editing import start_experiment
from recommendations.experiments.models import Experiment
from recommendations.measurement.assignment import is_held_out
from recommendations.merchandising.models import Rule
from recommendations.serving.impressions.models import PerformanceDay, ProductPerformanceDay
from recommendations.suggestions.backoffice.page import describe_decisions
from recommendations.suggestions.deciding import list_suggestions
from recommendations.suggestions.kinds import campaigns, experiments, rules
from recommendations.suggestions.models import SuggestionDecision
from recommendations.suggestions.past_effects import PastEffect, expect_effect
from recommendations.suggestions.registry import KINDS
from recommendations.suggestions.suggestion import Draft, Suggestion
from tests.makers import make_customer, make_product, make_profile
from tests.recommendations.campaigns.makers import make_reachable
from tests.waiting import DEADLINE_SECONDS, is_lock_awaited, wait_until

pytestmark = pytest.mark.django_db
CAMPAIGN_PERMISSIONS = ("segments.add_segment", "campaigns.add_campaign")
DECIDE = ("suggestions.add_suggestiondecision", "suggestions.view_suggestiondecision")


def make_user(*permissions: str) -> User:
    user = User.objects.create_user("person", is_staff=True)
    for permission in permissions:
        label, codename = permission.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=label, codename=codename))
    return user


def make_performance_day(day: date, scenario: str = "for-you") -> None:
    PerformanceDay.objects.create(
        day=day, scenario=scenario, model_version="v", strategy="blend", position=1, shown=5_000
    )


def find_all() -> list[Suggestion]:
    return list_suggestions(may=lambda permission: True, as_of=timezone.now())


def make_url(action: str, kind: str = "campaign", key: str = "at-risk") -> str:
    return reverse(f"suggestions:{action}", args=[kind, key])


def test_a_suggestion_becomes_one_draft_however_often_it_is_accepted(client: Client) -> None:
    make_profile(make_customer(), stage=Stage.AT_RISK)
    [suggestion] = find_all()
    assert (suggestion.headline, suggestion.draft_url) == ("1 customer is at risk of leaving", "")
    assert suggestion.expectation.startswith("Its effect is not known yet.")
    client.force_login(make_user(*CAMPAIGN_PERMISSIONS, *DECIDE))
    for _number in range(2):
        response = client.post(make_url("accept"))
    campaign = Campaign.objects.get()
    assert response["Location"] == reverse("admin:campaigns_campaign_change", args=[campaign.pk])
    assert (campaign.status, campaign.segment.key) == (Campaign.Status.DRAFT, "at-risk")
    assert campaign.holdout_share > 0
    assert find_all()[0].draft_name == campaign.name
    decision = SuggestionDecision.objects.get()
    assert (decision.outcome, decision.created_id, str(decision.decided_by)) == ("accepted", campaign.pk, "person")
    page = client.get(reverse("suggestions:list")).text
    assert "1 of 1 suggestion was accepted." in page
    assert "Draft" in page


def test_the_late_are_kept_in_a_fixed_segment(client: Client) -> None:
    now = timezone.now()
    late, due = make_customer(), make_customer()
    make_profile(late, stage=Stage.LOYAL, average_gap_days=7, last_order_at=now - timedelta(days=11))
    make_profile(due, stage=Stage.LOYAL, average_gap_days=7, last_order_at=now - timedelta(days=8))
    [suggestion] = find_all()
    assert suggestion.headline == "1 loyal customer is 3 or more days late with the next order"
    assert str(suggestion.advice).startswith("Their last order was longer ago than their average gap"), "not: regular"
    client.force_login(make_user(*CAMPAIGN_PERMISSIONS, *DECIDE))
    client.post(make_url("accept", key="late-loyal"))
    members = Campaign.objects.get().segment.members
    assert list(members.values_list("customer", flat=True)) == [late.pk]
    assert find_all()[0].draft_url


def test_the_expected_total_counts_only_customers_who_would_get_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    customers = make_reachable(20)
    CustomerProfile.objects.update(stage=Stage.AT_RISK)
    for _number in range(10):  # without an address or consent
        make_profile(make_customer(), stage=Stage.AT_RISK)
    past = [PastEffect("win-back", 0.3, 0.001)] * 9
    monkeypatch.setattr(campaigns, "load_past_effects", lambda **_arguments: past)
    expected = expect_effect("win-back", past)
    assert expected is not None
    salt = "suggestion-at-risk"
    held_out = sum(is_held_out(salt=salt, customer_id=each.pk, share=Decimal("0.1")) for each in customers)
    [suggestion] = find_all()
    recipients = 20 - held_out
    assert (suggestion.figures["customers"], suggestion.figures["recipients"]) == (30, recipients)
    assert suggestion.value == pytest.approx(expected.conversion.value * recipients)
    assert f"about {round(expected.conversion.value * recipients)} additional customers" in suggestion.expectation
    assert f"{recipients} of these customers would get the message" in suggestion.expectation
    monkeypatch.setattr(campaigns, "get_preview_soon", lambda **_arguments: None)
    assert find_all()[0].expectation == "Its expected effect is being computed."


def test_only_who_may_launch_campaigns_starts_one_and_problems_open_the_draft(client: Client) -> None:
    make_profile(make_customer(email="a@shop.example"), stage=Stage.AT_RISK)
    user = make_user(*CAMPAIGN_PERMISSIONS, *DECIDE)
    client.force_login(user)
    assert client.post(make_url("accept"), {"action": "start"}).status_code == 403
    assert not Campaign.objects.exists()
    user.user_permissions.add(Permission.objects.get(codename="change_campaign"))
    response = client.post(make_url("accept"), {"action": "start"})
    assert response["Location"] == reverse("suggestions:list")
    campaign = Campaign.objects.get()
    assert (campaign.status, campaign.runs.count()) == (Campaign.Status.RUNNING, 1)


def test_a_campaign_that_waits_for_approval_is_not_reported_as_started(client: Client) -> None:
    CampaignSettings.objects.create(requires_approval=True)
    make_profile(make_customer(email="a@shop.example"), stage=Stage.AT_RISK)
    client.force_login(
        make_user(*CAMPAIGN_PERMISSIONS, *DECIDE, "campaigns.change_campaign", "campaigns.view_campaign")
    )
    response = client.post(make_url("accept"), {"action": "start"}, follow=True)
    campaign = Campaign.objects.get()
    assert (campaign.status, campaign.runs.count()) == (Campaign.Status.WAITING, 0)
    assert "The campaign is waiting for approval by a second person." in response.text
    assert "Started. Its results" not in response.text


def test_a_dismissed_suggestion_stays_away_until_it_is_taken_back(client: Client) -> None:
    make_profile(make_customer(), stage=Stage.AT_RISK)
    client.force_login(make_user(*CAMPAIGN_PERMISSIONS, *DECIDE))
    refused = client.post(make_url("dismiss"), {"reason": "no such reason"}, follow=True)
    assert "is not one of the available choices" in refused.text
    home = reverse("admin:index")
    values = {"reason": "too_many_messages", "note": "Two flows already", "next": home}
    assert client.post(make_url("dismiss"), values)["Location"] == home
    assert find_all() == []
    page = client.get(reverse("suggestions:list"), {"outcome": "dismissed"}).text
    assert "These customers get enough messages: Two flows already" in page
    decision = SuggestionDecision.objects.get()
    client.post(reverse("suggestions:reopen", args=[decision.pk]))
    assert [found.key for found in find_all()] == ["at-risk"]
    assert describe_decisions() == "", "an undone dismissal does not count"
    outside = {"reason": "not_now", "next": "https://elsewhere.example/"}
    assert client.post(make_url("dismiss"), outside)["Location"] == reverse("suggestions:list")


def test_deciding_needs_permission_a_post_request_and_a_known_kind(client: Client) -> None:
    make_profile(make_customer(), stage=Stage.AT_RISK)
    assert client.post(make_url("accept")).status_code == 302  # to the log-in page
    user = make_user("campaigns.add_campaign", *DECIDE)
    client.force_login(user)
    assert client.post(make_url("accept")).status_code == 403
    assert client.post(make_url("dismiss"), {"reason": "other"}).status_code == 403
    assert client.get(make_url("accept")).status_code == 405
    assert client.post(make_url("accept", kind="nothing")).status_code == 404
    assert "at-risk" not in client.get(reverse("suggestions:list")).text
    assert not SuggestionDecision.objects.exists()


def test_a_product_with_much_margin_and_stock_that_nobody_sees_gets_a_boost(client: Client) -> None:
    now = timezone.now()
    for number, (cost, stock) in enumerate([(2, 900), (8, 10), (8, 10), (8, 10), (2, 900)]):
        make_product(f"p{number}", title=f"Kettle {number}", price=10, currency="USD", cost=cost, stock=stock)
    assert find_all() == []  # without impressions, none of a product says nothing
    for product in ("p1", "p4"):
        ProductPerformanceDay.objects.create(day=now.date(), scenario="popular", product_id=product, shown=9)
    [suggestion] = find_all()
    assert suggestion.headline == "No placement has shown “Kettle 0” for four weeks"
    assert "margin is 80% (average 44%), and 900 are in stock (average 366)" in suggestion.advice
    client.force_login(make_user("merchandising.add_rule", "merchandising.change_rule", *DECIDE))
    client.post(make_url("accept", "rule", suggestion.key))
    rule = Rule.objects.get()
    assert (rule.enabled, rule.action, rule.factor, rule.product_ids) == (False, "boost", Decimal(2), ["p0"])
    assert find_all() == []
    Rule.objects.update(enabled=True)
    ProductPerformanceDay.objects.create(day=now.date(), scenario="popular", product_id="p0", shown=31)
    assert "Shown 31 times, 0 orders from placements" in client.get(reverse("suggestions:list")).text


def test_recommendations_without_a_measured_effect_get_a_holdout_experiment(client: Client) -> None:
    now = timezone.now()
    for scenario in ("for-you", "popular"):
        make_performance_day(timezone.localdate(now) - timedelta(days=1), scenario)
    [suggestion] = find_all()
    assert suggestion.headline.startswith("Personal recommendations showed products 5,000 times in four weeks")
    client.force_login(make_user("experiments.add_experiment", "experiments.change_experiment", *DECIDE))
    client.post(make_url("accept", "experiment", suggestion.key))
    experiment = Experiment.objects.get()
    assert (experiment.kind, experiment.status) == ("holdout", Experiment.Status.DRAFT)
    assert find_all()[0].draft_url == reverse("experiments:draft", args=[experiment.key])
    start_experiment(experiment=experiment, user=None, now=now)
    assert find_all() == []
    assert "Experiment: running, too few to tell" in client.get(reverse("suggestions:list")).text


def test_the_days_of_suggestions_are_those_of_the_shop(settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Shanghai"
    at = datetime(2026, 11, 25, 20, tzinfo=UTC)  # November 26 in the shop
    for number, (cost, stock) in enumerate([(2, 900), (8, 10), (8, 10), (8, 10), (2, 900)]):
        make_product(f"p{number}", price=10, currency="USD", cost=cost, stock=stock)
    for product, day, shown in (
        ("p0", date(2026, 10, 28), 9),
        ("p4", date(2026, 10, 29), 9),
        ("p0", date(2026, 11, 25), 9),
        ("p0", date(2026, 11, 26), 31),
    ):
        ProductPerformanceDay.objects.create(day=day, scenario="popular", product_id=product, shown=shown)
    make_performance_day(date(2026, 10, 28))
    make_performance_day(date(2026, 11, 26))
    assert experiments.count_shown(as_of=at) == 0, "28 whole days, as on the performance page"
    make_performance_day(date(2026, 10, 29))
    make_performance_day(date(2026, 11, 25))
    assert experiments.count_shown(as_of=at) == 10_000
    rule = Rule.objects.create(name="Boost", enabled=True, action="boost", factor=2, product_ids=["p0"])
    decision = SuggestionDecision.objects.create(
        kind="rule", key="1", outcome="accepted", headline="Boost", created_id=rule.pk, decided_at=at
    )
    assert rules.describe_rules([decision], {rule.pk: rule}) == {
        decision.pk: "Shown 31 times, 0 orders from placements"
    }
    rule.delete()
    ProductPerformanceDay.objects.filter(product_id="p0", day__gte=date(2026, 11, 25)).delete()
    assert [row[1] for row in rules.find_products(as_of=at)] == ["p0"]


@pytest.mark.django_db(transaction=True)
def test_two_requests_for_an_experiment_at_the_same_time_create_one_draft() -> None:
    user = User.objects.create_user("person", is_staff=True)

    def create() -> Draft:
        try:
            return KINDS["experiment"].create_draft("recommendations", by=user, now=timezone.now())
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            first = KINDS["experiment"].create_draft("recommendations", by=user, now=timezone.now())
            waiting = pool.submit(create)
            wait_until(is_lock_awaited, what="the second request, which waits for the first")
        second = waiting.result(timeout=DEADLINE_SECONDS)
    assert (first.is_new, second.is_new, second.created_id) == (True, False, first.created_id)
    start_experiment(experiment=Experiment.objects.get(), user=None, now=timezone.now())
    assert not KINDS["experiment"].create_draft("recommendations", by=user, now=timezone.now()).is_new
