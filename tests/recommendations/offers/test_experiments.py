"""Experiments on offers: who sees which content, the first exposure stored once, results, and promotion with undo."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import translation

from customers.identity.consent.ledger import record_consent
from customers.identity.models import Consent, Identifier
from recommendations.experiments.editing import promote_variant, stop_experiment, undo_promotion
from recommendations.experiments.methods.registry import measure_experiment, plan_experiment
from recommendations.experiments.models import Experiment, ExperimentExposure
from recommendations.experiments.running import compile_experiment
from recommendations.offers.decision import OfferRequest, clear_offer_cache, decide_offer
from recommendations.offers.models import Offer, OfferContent
from recommendations.offers.reporting import Reaction, record_reaction
from tests.makers import NOON, make_customer, make_identifier, make_order, make_product
from tests.recommendations.experiments.makers import make_experiment
from tests.recommendations.offers.makers import make_offer

pytestmark = pytest.mark.django_db
CHANGES = {"en": {"title": "Last chance"}, "zh-hans": {"title": "最后机会", "button": "去看看"}}
LATER = NOON + timedelta(hours=1)


@pytest.fixture(autouse=True)
def fresh_offers() -> Iterator[None]:
    clear_offer_cache()
    yield
    clear_offer_cache()


@pytest.fixture
def offer() -> Offer:
    return make_offer("sale", titles={"en": "Sale", "zh-hans": "大促"}, max_shows_per_day=0)


def vary(*, shares: tuple[str, ...] = ("0.25", "0.75"), **fields: Any) -> Experiment:
    """Run an experiment whose second variant has other texts in both languages."""
    experiment = make_experiment("texts", configs=({}, CHANGES), shares=shares, kind="offer", subject="sale", **fields)
    clear_offer_cache()
    return experiment


def see(*, now: Any = NOON, **values: Any) -> str:
    """Return the title that a visitor sees."""
    decision = decide_offer(request=OfferRequest("top", **values), now=now)
    return decision.offer.title if decision.offer else ""


def test_visitors_see_the_variant_of_their_hash_and_are_stored_with_its_share(offer: Offer) -> None:
    experiment = vary()
    running = compile_experiment(experiment)
    names = [f"device-{number}" for number in range(60)]
    titles = {name: see(anonymous_id=name) for name in names}
    expected = {name: running.find_variant(f"anonymous_id:{name}") for name in names}
    assert titles == {name: "Sale" if variant.key == "a" else "Last chance" for name, variant in expected.items()}
    assert 30 < sum(title == "Last chance" for title in titles.values()) < 58
    stored = {row.unit_key: (row.variant_id, row.propensity) for row in ExperimentExposure.objects.all()}
    assert stored == {
        f"anonymous_id:{name}": (variant.id, pytest.approx(0.25 if variant.key == "a" else 0.75))
        for name, variant in expected.items()
    }


def test_a_variant_has_the_language_of_the_page_and_what_it_does_not_change(offer: Offer) -> None:
    vary(shares=("0.0001", "0.9999"))
    decision = decide_offer(request=OfferRequest("top", anonymous_id="device-1", language="zh-hans"), now=NOON)
    assert decision.offer is not None
    assert (decision.offer.title, decision.offer.button, decision.offer.url) == ("最后机会", "去看看", "/sale")
    assert see(anonymous_id="device-1", language="fr") == "Last chance"
    assert OfferContent.objects.get(offer=offer, language="en").title == "Sale"


def test_the_first_exposure_is_stored_once_and_the_earliest_stays(offer: Offer) -> None:
    vary()
    customer = make_customer("mei")
    for now in (LATER, LATER + timedelta(days=2), NOON, LATER):
        see(user_id="mei", anonymous_id="device-1", now=now)
    [exposure] = ExperimentExposure.objects.all()
    assert (exposure.unit_key, exposure.customer_id, exposure.exposed_at) == ("user_id:mei", customer.pk, NOON)


def test_a_device_keeps_its_variant_when_it_becomes_known_as_a_customer(offer: Offer) -> None:
    vary(shares=("0.5", "0.5"))
    names = [f"device-{number}" for number in range(12)]
    first = {name: see(anonymous_id=name) for name in names}
    assert set(first.values()) == {"Sale", "Last chance"}
    for name in names:
        make_identifier(make_customer(f"of-{name}"), name, kind=Identifier.Kind.ANONYMOUS_ID)
    assert {name: see(user_id=f"of-{name}", anonymous_id=name, now=LATER) for name in names} == first
    assert {name: see(user_id=f"of-{name}", now=LATER) for name in names} == first, "on another device, too"


def test_nobody_is_exposed_without_consent_in_the_holdout_group_or_by_a_preview(offer: Offer) -> None:
    vary(shares=("0.0001", "0.9999"))
    customer = make_customer("mei")
    request = OfferRequest("top", anonymous_id="device-1")
    assert decide_offer(request=request, now=NOON, is_recorded=False).offer is not None
    record_consent(customer=customer, purpose=Consent.Purpose.PERSONALISATION, status="withdrawn", recorded_at=NOON)
    assert see(user_id="mei") == "Sale"
    assert see() == "Sale"
    Offer.objects.update(holdout_share="0.9")
    clear_offer_cache()
    held_out = [name for name in (f"device-{number}" for number in range(12)) if not see(anonymous_id=name)]
    assert held_out
    keys = set(ExperimentExposure.objects.values_list("unit_key", flat=True))
    assert not keys & {f"anonymous_id:{name}" for name in held_out}
    assert "user_id:mei" not in keys


def test_an_experiment_takes_no_query_of_a_device_and_one_of_a_customer(offer: Offer) -> None:
    make_customer("mei")

    def count(**values: str) -> int:
        see(**values)  # reads offers and experiments
        with CaptureQueriesContext(connection) as queries:
            see(**values)
        return len(queries)

    before = {"device": count(anonymous_id="device-1"), "customer": count(user_id="mei")}
    vary()
    after = {"device": count(anonymous_id="device-1"), "customer": count(user_id="mei")}
    assert after == {"device": before["device"], "customer": before["customer"] + 1}


def test_a_bandit_keeps_the_variant_although_its_shares_change(offer: Offer) -> None:
    experiment = vary(shares=("0.0001", "0.9999"), method="bandit")
    assert see(anonymous_id="device-1") == "Last chance"
    for variant, allocation in zip(experiment.variants.order_by("key"), (0.9999, 0.0001), strict=True):
        variant.allocation = allocation
        variant.save()
    clear_offer_cache()
    assert see(anonymous_id="device-1", now=LATER) == "Last chance"
    assert see(anonymous_id="device-2", now=LATER) == "Sale"


def test_the_results_count_orders_and_clicks_by_variant(offer: Offer) -> None:
    experiment = vary(shares=("0.5", "0.5"), metric="clicks")
    product = make_product("tea")
    people = {f"user-{number}": make_customer(f"user-{number}") for number in range(24)}
    seen = {}
    for name, customer in people.items():
        shown = decide_offer(request=OfferRequest("top", user_id=name), now=NOON).offer
        assert shown is not None
        seen[name] = shown.title
        if shown.title == "Last chance":
            make_order(customer, products=[product], placed_at=LATER)
            record_reaction(exposure_id=shown.exposure_id, reaction=Reaction.CLICKED, now=LATER)
    varied = sum(title == "Last chance" for title in seen.values())
    results = measure_experiment(experiment, as_of=NOON + timedelta(days=3))
    control, better = results.variants
    assert (control.units, better.units) == (24 - varied, varied)
    assert (control.buyers, better.buyers) == (0, varied)
    clicks = [variant.get_metric("clicks") for variant in results.variants]
    assert [metric.total for metric in clicks if metric is not None] == [0, varied]
    power = plan_experiment(experiment, shares=[0.5, 0.5], at=NOON + timedelta(days=1))
    assert power.units == 24


@pytest.mark.usefixtures("offer")
def test_the_plan_counts_a_new_visitor_once() -> None:
    experiment = vary(unit="customer")
    see(anonymous_id="device-1")
    make_identifier(make_customer(), "device-1", kind=Identifier.Kind.ANONYMOUS_ID)
    see(anonymous_id="device-1")
    see(anonymous_id="device-2")
    assert plan_experiment(experiment, shares=[0.5, 0.5], at=LATER).units == 2


def test_promotion_writes_the_content_of_the_variant_and_can_be_undone() -> None:
    offer = make_offer("sale", titles={"en": "Sale"})
    experiment = vary()
    assert see(anonymous_id="device-1") in ("Sale", "Last chance")
    promote_variant(experiment=experiment, variant=experiment.variants.get(key="b"), user=None, now=LATER)
    titles = dict(OfferContent.objects.filter(offer=offer).values_list("language", "title"))
    assert titles == {"en": "Last chance", "zh-hans": "最后机会"}
    assert {see(anonymous_id=f"device-{number}", now=LATER) for number in range(9)} == {"Last chance"}
    undo_promotion(experiment=experiment)
    assert list(OfferContent.objects.values_list("language", "title")) == [("en", "Sale")]
    assert see(anonymous_id="device-3", now=LATER) == "Sale"


def test_a_stopped_experiment_shows_and_stores_nothing_more(offer: Offer) -> None:
    experiment = vary(shares=("0.0001", "0.9999"))
    assert see(anonymous_id="device-1") == "Last chance"
    stop_experiment(experiment=experiment, user=None, now=LATER)
    see(anonymous_id="device-2")  # of a process that does not know yet
    clear_offer_cache()
    assert see(anonymous_id="device-3") == "Sale"
    assert ExperimentExposure.objects.count() == 1


NEW = {
    "name": "Which title", "varied": "offer:sale", "variants": "2", "metric": "clicks", "unit": "visitor", "method": "fixed",
    "planned_days": "28",
}  # fmt: skip


def read_settings(response: Any) -> dict[str, str]:
    """Return what a browser would send from the page of a draft."""
    forms = [form for variant in response.context["variants"] for form in (variant.share, variant.settings) if form]
    return {field.html_name: str(field.value() or "") for form in forms for field in form}


def test_a_marketer_sets_up_the_texts_in_both_languages(admin_client: Client, offer: Offer) -> None:
    make_offer("spring", titles={"en": "Spring is here"}, status=Offer.Status.DRAFT)
    draft = admin_client.post(reverse("experiments:new"), NEW, follow=True)
    path, values = draft.request["PATH_INFO"], read_settings(draft)
    assert "Title (English)" in draft.text
    assert (values["b-title_en"], values["b-title_zh_hans"], values["b-url_en"]) == ("Sale", "大促", "/sale")
    response = admin_client.post(path, {**values, "b-title_zh_hans": ""})
    assert response.status_code == 422
    assert "Enter a title." in response.text
    saved = admin_client.post(path, {**values, "b-copied": "spring", "b-title_zh_hans": "春天来了"}, follow=True)
    experiment = Experiment.objects.get()
    assert experiment.variants.get(key="b").config == {
        "en": {"title": "Spring is here"},
        "zh-hans": {"title": "春天来了"},
    }
    assert read_settings(saved)["b-title_en"] == "Spring is here"
    started = admin_client.post(path, {**read_settings(saved), "action": "start"}, follow=True)
    assert "On-site offer: sale" in started.text
    assert "Title (English): Spring is here" in started.text
    assert experiment.name in admin_client.get(reverse("onsite_offers:offer", args=[offer.pk])).text
    with translation.override("zh-hans"):
        chinese = admin_client.get(started.request["PATH_INFO"], headers={"accept-language": "zh-hans"}).text
    assert "标题（简体中文）" in chinese


def test_only_who_may_change_offers_sets_up_starts_and_promotes(client: Client, offer: Offer) -> None:
    draft = make_experiment("draft", configs=({}, CHANGES), kind="offer", subject="sale", status="draft")
    running = make_experiment("running", configs=({}, CHANGES), kind="offer", subject="sale")
    merchandiser = User.objects.create_user("merchandiser", is_staff=True)
    merchandiser.user_permissions.set(Permission.objects.filter(content_type__app_label="experiments"))
    client.force_login(merchandiser)
    assert "offer:sale" not in client.get(reverse("experiments:new")).text
    assert client.get(reverse("experiments:draft", args=[draft.key])).status_code == 403
    assert client.post(reverse("experiments:draft", args=[draft.key]), {"action": "start"}).status_code == 403
    assert client.post(reverse("experiments:promote", args=[running.key]), {"variant": "b"}).status_code == 403
    merchandiser.user_permissions.add(Permission.objects.get(codename="change_offer"))
    page = client.post(reverse("experiments:promote", args=[running.key]), {"variant": "b"}, follow=True)
    assert "now apply to everyone" in page.text
    assert OfferContent.objects.get(offer=offer, language="en").title == "Last chance"
