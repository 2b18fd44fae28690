"""The page of placements: what each really shows, since when, what it earned, and the links to act on it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from recommendations.engine.placements import PLACEMENTS
from recommendations.merchandising.models import Rule
from recommendations.serving.backoffice.pages import describe_response
from recommendations.serving.backoffice.placements import page
from recommendations.serving.backoffice.placements.cards import describe_since, describe_state
from recommendations.serving.backoffice.placements.samples import PlacementSample, build_samples
from recommendations.serving.backoffice.placements.samples import describe_response as describe_response_sample
from recommendations.serving.backoffice.placements.settings_form import PlacementSettingsForm
from recommendations.serving.backoffice.placements.states import (
    FallbackCause,
    PlacementState,
    ServedBy,
    find_cause,
    find_placement_states,
    find_served_fallback,
)
from recommendations.serving.impressions.store import insert_entries
from recommendations.serving.models import PerformanceDay, PlacementSettings
from recommendations.serving.pipeline.candidates import NO_MODEL
from recommendations.serving.pipeline.context import LAST_RESORT
from recommendations.serving.pipeline.fallback import EmptyListReason
from recommendations.serving.response import RecommendationResponse
from recommendations.serving.state.loader import StateLoader
from recommendations.training.models import EvaluationRun, ModelVersion
from tests.makers import NOON, make_product
from tests.recommendations.serving.impressions.entries import make_entry

PAGE = "admin:serving_placementsettings_changelist"


def log_in(role: str) -> Client:
    user = User.objects.create_user("anna", password="x", is_staff=True)
    user.groups.set(Group.objects.filter(name=role))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def read_page(client: Client) -> str:
    response = client.get(reverse(PAGE))
    assert response.status_code == 200
    return response.content.decode()


def make_day(scenario: str, days_ago: int, **fields: Any) -> None:
    PerformanceDay.objects.create(
        day=timezone.localdate() - timedelta(days=days_ago),
        scenario=scenario,
        model_version="m",
        strategy="s",
        position=1,
        **fields,
    )


def test_the_cards_say_what_every_placement_earned_in_whole_days(db: None) -> None:
    make_product("tea")
    make_day("for-you", 1, shown=1000, clicked=50)
    make_day("for-you", 1, currency="EUR", bought=5, orders=4, revenue=120)
    make_day("for-you", 30, currency="EUR", bought=2, orders=2, revenue=60)
    make_day("for-you", 0, currency="EUR", bought=9, orders=9, revenue=999)
    make_day("cart", 2, shown=70)
    page = read_page(log_in("Merchandiser"))
    assert "Earned €120 from 4 orders within 7 days of an impression." in page, "today is not over and does not count"
    assert "+100.0%" in page
    assert "Recommendations earned €120 in the last 28 days" in page
    assert "most of it in “For you”." in page
    assert "send the recommendation_id of the response" in page, "the cart is shown, but never clicked"
    assert page.count("Your shop did not request it in these 28 days.") == len(PLACEMENTS) - 2
    assert f"{reverse('admin:serving_performanceday_changelist')}?scenario=for-you" in page
    assert "?action=pin&amp;position=1&amp;scenarios=for-you" in page


def test_no_placement_with_less_than_half_is_said_to_earn_most_of_it(db: None) -> None:
    for scenario, revenue in (("for-you", 40), ("cart", 35), ("similar", 25)):
        make_day(scenario, 1, shown=100, currency="EUR", bought=1, orders=1, revenue=revenue)
    page = read_page(log_in("Merchandiser"))
    assert "more in “For you” than in any other placement." in page
    assert "most of it" not in page


def test_a_placement_that_is_requested_since_today_is_not_called_missing(db: None) -> None:
    make_product("tea")
    make_day("cart", 0, shown=70)
    insert_entries([make_entry("r1", scenario="for-you", served_at=timezone.now())])
    client = log_in("Merchandiser")
    page = read_page(client)
    assert page.count("Requested today. Figures appear tomorrow.") == 3, "two cards, and the sentence above all"
    assert page.count("How to add it to your shop") == len(PLACEMENTS) - 2
    assert "has not requested recommendations" not in page
    address = reverse("admin:serving_performanceday_changelist")
    for query in ("", "?scenario=cart", "?scenario=for-you"):
        text = client.get(address + query).text
        assert "Requested today. Figures appear tomorrow." in text, query
        assert "Your shop did not request" not in text, query
    for query in ("?scenario=similar", "?since=2026-01-01&until=2026-01-28"):
        assert "Requested today" not in client.get(address + query).text, query


def test_an_analyst_sees_no_links_to_rules_that_they_may_not_add(db: None) -> None:
    assert "action=pin" not in read_page(log_in("Analyst"))
    assert log_in_as_stranger().get(reverse(PAGE)).status_code == 403


def log_in_as_stranger() -> Client:
    client = Client()
    client.force_login(
        User.objects.create(username="x", is_staff=True), backend="django.contrib.auth.backends.ModelBackend"
    )
    return client


def test_the_example_of_weights_can_be_pasted_and_curly_quotes_are_explained(db: None) -> None:
    row = PlacementSettings.objects.get(placement="for-you")
    help_text = str(PlacementSettingsForm(instance=row).fields["weights"].help_text)
    example = help_text[help_text.index("{") : help_text.index("}") + 1]
    assert "weights" not in PlacementSettingsForm({"weights": example}, instance=row).errors
    [error] = PlacementSettingsForm({"weights": "{“item-knn”: 0.6}"}, instance=row).errors["weights"]
    assert 'with straight quotes, such as {"item-knn": 0.6}' in error


def test_the_share_of_new_products_that_applies_is_named(settings: Any, db: None) -> None:
    settings.RECOMMEND_EXPLORATION_SHARE = 0.125
    row = PlacementSettings.objects.get(placement="for-you")
    help_text = PlacementSettingsForm(instance=row).fields["exploration"].help_text
    assert help_text == "Share of positions in “For you”. If empty, 12.5% applies."


def test_without_a_model_placements_show_the_newest_products(db: None, loader: StateLoader) -> None:
    states = find_placement_states(loader.get_state(now=NOON))
    assert (states["for-you"].served_by, states["for-you"].cause) == (ServedBy.FALLBACK, FallbackCause.NO_MODEL)
    assert (
        describe_state(states["for-you"], PlacementSample([]))
        == "No model has been trained yet, so the newest products are shown."
    )
    assert states["new"].served_by == ServedBy.FACTS


def test_a_model_that_is_being_loaded_is_no_missing_model(db: None, loader: StateLoader) -> None:
    state = loader.get_state(now=NOON)
    ModelVersion.objects.create(
        version="v1", scenario="for-you", status="active", algorithm="blend", as_of=NOON, created_at=NOON
    )
    card = find_placement_states(state)["for-you"]
    assert (card.served_by, card.cause) == (ServedBy.FALLBACK, FallbackCause.LOADING)
    assert "is loading the model" in describe_state(card, PlacementSample([]))


def test_a_placement_without_an_evaluation_is_not_called_worse() -> None:
    state = PlacementState(
        "similar",
        ServedBy.FALLBACK,
        "popular",
        None,
        "v1",
        FallbackCause.NOT_EVALUATED,
        evaluation={"why": {"code": "place_no_time"}},
    )
    assert "had no time to evaluate" in describe_state(state, PlacementSample([]))
    assert describe_state(replace(state, evaluation=None), PlacementSample([])) == (
        "“Popular” is shown instead: there is not enough data to evaluate this placement."
    )
    for code, cause in (
        ("place_short_history", FallbackCause.NOT_EVALUATED),
        ("place_too_few", FallbackCause.NOT_EVALUATED),
        ("place_no_better", FallbackCause.NOT_BETTER),
        ("place_earlier_off", FallbackCause.NOT_BETTER),
    ):
        assert find_cause({"why": {"code": code}}) == cause
    assert find_cause(None) == FallbackCause.NOT_EVALUATED, "no evaluation at all"


def test_an_empty_example_gives_the_reason_of_its_response() -> None:
    reason = EmptyListReason("nothing_known", "Not enough is known.")
    response = RecommendationResponse("id", "popular", "popular", None, "", 1.0, empty_reason=reason)
    sample = describe_response_sample(response, start=(), is_for_customer=False)
    assert (sample.empty_text, sample.hidden_text) == ("Not enough is known.", "")


def test_a_placement_names_what_is_shown_and_what_it_was_compared_with() -> None:
    cause = FallbackCause.NOT_BETTER
    similar = PlacementState("similar", ServedBy.FALLBACK, "popular", None, "v1", cause)
    together = replace(similar, placement="bought-together")
    assert (
        describe_state(similar, PlacementSample([]))
        == "“Popular” is shown instead: in the evaluation, this placement was not better than it."
    )
    assert (
        describe_state(together, PlacementSample([]))
        == "“Popular” is shown instead: in the evaluation, this placement was not better than “Similar products”."
    )


def test_a_placement_without_products_never_shows_the_key_of_the_last_resort() -> None:
    new = PlacementState("new", ServedBy.FACTS, "popular", None)
    label = "“Newest products of the catalog” is shown"
    assert label in describe_state(new, PlacementSample([], fallback=LAST_RESORT))
    assert label in describe_state(replace(new, served_by=ServedBy.OFF, fallback=LAST_RESORT), PlacementSample([]))


def test_new_products_without_publication_dates_say_what_to_send(db: None, loader: StateLoader) -> None:
    make_product("tea")
    new = find_placement_states(loader.get_state(now=NOON))["new"]
    assert describe_state(new, PlacementSample([], fallback="popular")) == (
        "No product has a publication date, so “Popular” is shown. Send published_at with the products."
    )
    assert describe_state(new, PlacementSample([])) == "", "an empty catalog"
    make_product("cup", published_at=NOON)
    new = find_placement_states(StateLoader().get_state(now=NOON))["new"]
    assert describe_state(new, PlacementSample([], fallback="popular")).startswith("It has nothing to show")


def test_a_fallback_that_leads_back_to_the_placement_is_refused(db: None) -> None:
    row = PlacementSettings.objects.get(placement="similar")
    [error] = PlacementSettingsForm({"fallback": "bought-together"}, instance=row).errors["fallback"]
    assert error == "The fallback of “Bought together” leads back to “Similar products”. Choose another one."
    PlacementSettings.objects.filter(placement="bought-together").update(fallback="trending")
    assert "fallback" not in PlacementSettingsForm({"fallback": "bought-together"}, instance=row).errors


def test_a_state_names_the_fallback_that_is_really_served(trained: ModelVersion, loader: StateLoader) -> None:
    rows = PlacementSettings.objects.filter(placement__in=("similar", "bought-together"))
    rows.update(switch="off", updated_at=timezone.now())
    state = loader.get_state(now=NOON)
    assert [find_served_fallback(name, state) for name in ("similar", "bought-together")] == ["popular", "popular"]
    assert find_placement_states(state)["bought-together"].fallback == "popular"
    assert state.blends is not None
    without_popular = replace(state, blends=replace(state.blends, switched_off=state.blends.switched_off | {"popular"}))
    assert find_served_fallback("bought-together", without_popular) == LAST_RESORT


def test_the_preview_tells_a_model_that_is_being_loaded_from_a_missing_one(db: None) -> None:
    response = RecommendationResponse("id", "for-you", "popular", LAST_RESORT, "", 1.0, fallback_reason=NO_MODEL)
    assert describe_response(response) == "No model has been trained yet, so the newest products are shown."
    ModelVersion.objects.create(
        version="v1", scenario="for-you", status="active", algorithm="blend", as_of=NOON, created_at=NOON
    )
    assert "is loading the model" in describe_response(response)
    assert "is loading the model" in describe_response(replace(response, fallback="popular"))


def test_states_follow_the_model_its_evaluation_and_the_switch(trained: ModelVersion, loader: StateLoader) -> None:
    run = EvaluationRun.objects.filter(model_version=trained).latest("started_at")
    on = {name: bool(result["on"]) for name, result in run.scenarios.items()}
    settings = PlacementSettings.objects.get(placement="popular")
    settings.switch = "off"
    settings.save()
    PlacementSettings.objects.filter(placement="cart").update(switch="on", updated_at=timezone.now())
    states = find_placement_states(loader.get_state(now=NOON))
    switched = LogEntry.objects.get_for_object(settings).latest("timestamp")  # type: ignore[no-untyped-call]
    assert (states["popular"].served_by, states["popular"].since) == (ServedBy.OFF, switched.timestamp)
    assert (states["for-you"].served_by, states["for-you"].since) == (ServedBy.MODEL, trained.activated_at)
    assert states["cart"].served_by == ServedBy.MODEL, "the shop has turned it on"
    assert states["new"].served_by == ServedBy.FACTS
    for name in ("similar", "trending", "bought-together"):
        assert (states[name].served_by == ServedBy.MODEL) is on[name]
        assert (states[name].cause is None) is on[name]


def test_the_time_of_a_state_is_the_first_activation_that_agrees(trained: ModelVersion, loader: StateLoader) -> None:
    run = EvaluationRun.objects.filter(model_version=trained).latest("started_at")
    is_on = bool(run.scenarios["trending"]["on"])
    for days, value in ((10, is_on), (20, not is_on), (30, is_on)):
        at = NOON - timedelta(days=days)
        older = ModelVersion.objects.create(
            version=f"old-{days}",
            algorithm="blend",
            as_of=at,
            created_at=at,
            activated_at=at,
            status="retired",
            artifact="x",
        )
        EvaluationRun.objects.create(
            model_version=older, started_at=at, status="done", scenarios={"trending": {"on": value}}
        )
    states = find_placement_states(loader.get_state(now=NOON))
    assert states["trending"].since == NOON - timedelta(days=10)


@pytest.mark.django_db
def test_the_day_since_when_a_placement_shows_its_products_is_that_of_the_shop(settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Shanghai"
    at = datetime(2026, 11, 25, 20, tzinfo=UTC)
    assert describe_since(PlacementState("for-you", ServedBy.MODEL, "", at)) == "since Nov 26, 2026"


def test_samples_show_products_for_a_customer_and_for_the_best_seller(
    trained: ModelVersion, loader: StateLoader
) -> None:
    samples = build_samples(now=NOON, source=loader)
    assert samples["for-you"].is_for_customer
    assert samples["for-you"].products
    best_seller = samples["popular"].products[0]
    assert samples["similar"].start == best_seller
    assert best_seller not in samples["similar"].products
    assert samples["categories"].categories
    assert {sample.hidden_text for sample in samples.values()} == {""}


def test_a_placement_says_that_rules_hide_all_its_products(
    trained: ModelVersion, loader: StateLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    Rule.objects.create(name="Hide", action="hide", price_from=0, scenarios=["popular"])
    samples = build_samples(now=NOON, source=loader)
    assert samples["popular"].hidden_text == "Merchandising rules hide every product that could be shown here."
    monkeypatch.setattr(page, "build_samples", lambda *, now: samples)
    text = read_page(log_in("Merchandiser"))
    assert samples["popular"].hidden_text in text
    assert f"{reverse('admin:merchandising_rule_changelist')}?placement=popular" in text
