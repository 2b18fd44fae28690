"""A marketer creates an experiment, sets it up, starts, stops and promotes it; others may only look."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connections, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation
from rest_framework.test import APIClient

from config.access.authentication import KeyCaller
from config.access.grants import Grant
from config.foundation.statistics import ConfidenceInterval
from recommendations.experiments.backoffice.draft_page import describe_plan, describe_power
from recommendations.experiments.backoffice.preference_texts import describe_preference
from recommendations.experiments.backoffice.result_page import describe_verdict
from recommendations.experiments.backoffice.result_texts import describe_results
from recommendations.experiments.editing import (
    ExperimentNotReadyError,
    VariantDraft,
    replace_variants,
    start_experiment,
    stop_experiment,
)
from recommendations.experiments.members import compute_window
from recommendations.experiments.methods.bandit import update_allocations
from recommendations.experiments.methods.interleaving import assess_counts, choose_verdict, make_result
from recommendations.experiments.methods.registry import measure_experiment
from recommendations.experiments.models import Experiment, ExperimentExposure
from recommendations.experiments.planning import ExperimentPower
from recommendations.experiments.results import (
    ExperimentResults,
    ExperimentVerdict,
    VariantMetric,
    VariantResult,
    compute_information,
)
from recommendations.experiments.running import read_running_experiments
from recommendations.experiments.subjects import PreferenceCounts
from recommendations.serving.models import PlacementSettings
from recommendations.suggestions.kinds.experiments import describe_experiment
from tests.makers import NOON, make_customer, make_order, make_product
from tests.recommendations.experiments.makers import make_experiment
from tests.waiting import DEADLINE_SECONDS, is_lock_awaited, wait_until

pytestmark = pytest.mark.django_db
NEW = {
    "name": "More variety", "varied": "placement:for-you", "variants": "2", "metric": "orders", "unit": "customer",
    "method": "fixed", "planned_days": "28",
}  # fmt: skip


def read_form(response) -> dict[str, str]:  # type: ignore[no-untyped-def]
    """Return what a browser would send from the page of a draft."""
    values = {}
    for forms in response.context["variants"]:
        for form in filter(None, (forms.share, forms.settings)):
            for field in form:
                value = field.value()
                if value is not None and value is not False:
                    values[field.html_name] = value if isinstance(value, str) else str(value)
    return values


def test_an_experiment_from_the_form_to_the_promotion(admin_client: Client) -> None:
    draft = admin_client.post(reverse("experiments:new"), NEW, follow=True)
    experiment = Experiment.objects.get()
    assert (experiment.key, experiment.status) == ("more-variety", "draft")
    assert "must change at least one setting" in draft.text
    values = read_form(draft)
    saved = admin_client.post(
        draft.request["PATH_INFO"], {**values, "b-diversity": "0.7", "b-name": "Varied"}, follow=True
    )
    variant = experiment.variants.get(key="b")
    assert (variant.name, variant.config) == ("Varied", {"diversity": 0.7})
    assert "must change at least one setting" not in saved.text
    assert 'hx-confirm="Delete this draft?"' in saved.text
    page = admin_client.post(draft.request["PATH_INFO"], {**read_form(saved), "action": "start"}, follow=True)
    assert "The experiment is running" in page.text
    assert "Too few people to tell" in page.text
    assert 'hx-confirm="Stop this experiment? It cannot be started again."' in page.text
    assert 'hx-confirm="Apply this variant to everyone? The result is not significant yet."' in page.text
    admin_client.post(reverse("experiments:stop", args=["more-variety"]))
    page = admin_client.post(reverse("experiments:promote", args=["more-variety"]), {"variant": "b"}, follow=True)
    assert PlacementSettings.objects.get(placement="for-you").diversity == 0.7
    assert "Undo promotion" in page.text
    assert "The settings before the promotion" in page.text
    assert "The current settings" not in page.text
    page = admin_client.post(reverse("experiments:undo", args=["more-variety"]), follow=True)
    assert "The current settings" in page.text
    assert PlacementSettings.objects.get(placement="for-you").diversity == 0
    assert admin_client.get(reverse("experiments:list")).text.count("More variety") == 1


def test_a_finished_experiment_can_be_archived_and_unarchived(admin_client: Client) -> None:
    experiment = make_experiment(name="More variety")
    archive, shown = (reverse(f"experiments:{name}", args=[experiment.key]) for name in ("archive", "experiment"))
    listed = reverse("experiments:list")
    assert archive not in admin_client.get(shown).text, "it is still running"
    refused = admin_client.post(archive, follow=True)
    assert "Only a stopped or promoted experiment can be archived." in refused.text
    stop_experiment(experiment=experiment, user=None, now=timezone.now())
    assert archive in admin_client.get(shown).text
    assert "was archived" in admin_client.post(archive, follow=True).text
    experiment.refresh_from_db()
    assert experiment.archived_at is not None
    assert LogEntry.objects.get_for_object(experiment).filter(changes__has_key="archived_at").exists()
    assert "More variety" not in admin_client.get(listed).text
    assert "More variety" in admin_client.get(listed, {"archived": "1"}).text
    assert "Unarchive" in admin_client.get(shown).text
    admin_client.post(archive, follow=True)
    assert "More variety" in admin_client.get(listed).text
    assert "No archived experiments" in admin_client.get(listed, {"archived": "1"}).text


def test_the_metric_margin_is_an_amount_and_in_chinese_no_rate() -> None:
    with translation.override("zh-hans"):
        assert Experiment.Metric.MARGIN.label != translation.gettext("margin") == "毛利率"


def test_the_list_counts_the_control_and_says_so(admin_client: Client) -> None:
    make_experiment()
    assert "Variants, with the control" in admin_client.get(reverse("experiments:list")).text
    page = admin_client.get(reverse("experiments:list"), headers={"accept-language": "zh-hans"}).text
    assert "组数（含对照组）" in page


@pytest.mark.parametrize("smallest", [0.36, None])
def test_a_draft_on_clicks_says_that_its_numbers_are_those_of_orders(smallest: float | None) -> None:
    power = ExperimentPower(900, 0.1, smallest, 177)
    source = "Computed from orders; clicks are more frequent, so smaller changes can be detected."
    assert describe_power(Experiment(metric="clicks"), power).endswith(f". {source}")
    assert source not in describe_power(Experiment(metric="orders"), power)


@pytest.mark.parametrize(("method", "days"), [("fixed", 177), ("interleaving", 9), ("interleaving", None)])
def test_in_chinese_nothing_separates_the_sentences_about_a_draft(method: str, days: int | None) -> None:
    plan = describe_plan(Experiment(method=method, metric="clicks"), ExperimentPower(900, 0.1, 0.36, days, 283))
    assert plan.count(". ") >= 1
    with translation.override("zh-hans"):
        plan = describe_plan(Experiment(method=method, metric="orders"), ExperimentPower(900, 0.1, 0.36, days, 283))
        assert plan.count("。") >= 2
        assert "。 " not in plan


def test_shares_that_do_not_sum_up_are_refused_and_nothing_is_lost(admin_client: Client) -> None:
    draft = admin_client.post(reverse("experiments:new"), NEW, follow=True)
    response = admin_client.post(
        draft.request["PATH_INFO"], {**read_form(draft), "a-percent": "60", "b-diversity": "0.4"}
    )
    assert response.status_code == 422
    assert "The shares must sum to 100%." in response.text
    assert 'value="60"' in response.text
    response = admin_client.post(draft.request["PATH_INFO"], {**read_form(draft), "b-weights": "[1]"})
    assert "field-error" in response.text


def test_an_experiment_starts_with_the_settings_that_the_form_shows(admin_client: Client) -> None:
    experiment = make_experiment(configs=({}, {"diversity": 0.5}), status=Experiment.Status.DRAFT)
    path = reverse("experiments:draft", args=[experiment.key])
    page = admin_client.get(path)
    assert 'name="action" value="start"' in page.text
    values = {**read_form(page), "action": "start"}
    for wrong in ("much", "2", "-0.1"):
        assert admin_client.post(path, {**values, "b-diversity": wrong}).status_code == 422
    experiment.refresh_from_db()
    assert experiment.status == "draft"
    admin_client.post(path, {**values, "b-diversity": "0.9"})
    experiment.refresh_from_db()
    assert (experiment.status, experiment.variants.get(key="b").config) == ("running", {"diversity": 0.9})


def test_a_second_experiment_on_the_same_placement_cannot_start(admin_client: Client) -> None:
    make_experiment("first")
    second = make_experiment("second", status=Experiment.Status.DRAFT)
    path = reverse("experiments:draft", args=[second.key])
    page = admin_client.post(path, {**read_form(admin_client.get(path)), "action": "start"}, follow=True)
    assert "“first” is already varying the same thing" in page.text
    second.refresh_from_db()
    assert second.status == "draft"


@pytest.mark.django_db(transaction=True)
def test_of_two_experiments_on_the_same_placement_that_are_started_at_once_one_starts() -> None:
    first, second = (make_experiment(key, status=Experiment.Status.DRAFT) for key in ("first", "second"))

    def start_second() -> None:
        try:
            start_experiment(experiment=second, user=None, now=NOON)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as executor:
        with transaction.atomic():
            start_experiment(experiment=first, user=None, now=NOON)
            started = executor.submit(start_second)
            wait_until(is_lock_awaited, what="the second start, which waits for the first")
        with pytest.raises(ExperimentNotReadyError, match="already varying the same thing"):
            started.result(timeout=DEADLINE_SECONDS)
    assert list(Experiment.objects.filter(status="running")) == [first]


def test_an_experiment_that_someone_starts_meanwhile_keeps_its_variants() -> None:
    draft = make_experiment(status=Experiment.Status.DRAFT)
    kept = list(draft.variants.values_list("pk", flat=True))
    Experiment.objects.update(status=Experiment.Status.RUNNING)
    with pytest.raises(ExperimentNotReadyError):
        replace_variants(experiment=draft, variants=[VariantDraft("Other", Decimal(1), {})])
    assert list(draft.variants.values_list("pk", flat=True)) == kept


def test_who_may_only_view_can_neither_change_nor_promote(client: Client, django_user_model) -> None:  # type: ignore[no-untyped-def]
    experiment = make_experiment()
    user = django_user_model.objects.create_user("analyst", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_experiment"))
    client.force_login(user)
    page = client.get(reverse("experiments:experiment", args=[experiment.key]))
    assert page.status_code == 200
    assert "Promote" not in page.text
    for action in ("stop", "promote", "undo", "delete", "draft"):
        assert client.post(reverse(f"experiments:{action}", args=[experiment.key]), {"variant": "b"}).status_code == 403
    assert client.post(reverse("experiments:new"), NEW).status_code == 403


def test_the_result_page_says_which_variant_is_better(admin_client: Client) -> None:
    now = timezone.now()
    experiment = make_experiment(started_at=now)
    Experiment.objects.update(started_at=now - timedelta(days=20))
    product = make_product("tea")
    control, better = experiment.variants.all()
    people = [make_customer(f"u{number}") for number in range(240)]
    for number, customer in enumerate(people):
        ExperimentExposure.objects.create(
            experiment=experiment,
            variant=better if number % 2 else control,
            unit_key=f"user_id:u{number}",
            customer=customer,
            exposed_at=now - timedelta(days=10),
            propensity=0.5,
        )
        if number % 2 or number % 10 == 0:
            make_order(customer, products=[product], placed_at=now - timedelta(days=5))
    page = admin_client.get(reverse("experiments:experiment", args=[experiment.key]))
    assert "“Variant 1” is better than the control" in page.text
    assert 'hx-confirm="Apply this variant to everyone?"' in page.text
    assert "The relative change is based on the adjusted mean of the control group." in page.text
    assert "120" in page.text
    returns = [row for row in page.context["others"] if row["metric"] == "Returns per person"]
    assert [(row["mean"], row["effect"], row["interval"]) for row in returns] == [
        ("0.000", "", ""),
        ("0.000", "", "no data yet"),  # without any return, an interval from 0 to 0 would claim that there is no effect
    ]


def test_a_bandit_names_no_best_variant_while_few_people_have_ordered(admin_client: Client) -> None:
    now = timezone.now()
    experiment = make_experiment(method="bandit", status=Experiment.Status.DRAFT)
    start_experiment(experiment=experiment, user=None, now=now - timedelta(days=12))
    experiment.refresh_from_db()
    product = make_product("tea")
    variants = list(experiment.variants.all())
    for number in range(6):
        customer = make_customer(f"u{number}")
        ExperimentExposure.objects.create(
            experiment=experiment,
            variant=variants[number % 2],
            unit_key=f"user_id:u{number}",
            customer=customer,
            exposed_at=now - timedelta(days=10),
            propensity=0.5,
        )
        if number % 2 or not number:
            make_order(customer, products=[product], placed_at=now - timedelta(days=9))
    results = measure_experiment(experiment, as_of=now)
    assert [(variant.buyers, variant.best_probability) for variant in results.variants] == [(1, None), (3, None)]


def test_a_bandit_gives_the_better_variant_more_people(admin_client: Client) -> None:
    now = timezone.now()
    experiment = make_experiment(method="bandit", status=Experiment.Status.DRAFT)
    start_experiment(experiment=experiment, user=None, now=now - timedelta(days=12))
    experiment.refresh_from_db()
    product = make_product("tea")
    control, better = experiment.variants.all()
    for number in range(210):
        customer = make_customer(f"u{number}")
        ExperimentExposure.objects.create(
            experiment=experiment,
            variant=better if number % 2 else control,
            unit_key=f"user_id:u{number}",
            customer=customer,
            exposed_at=now - timedelta(days=10 if number < 200 else 6),
            propensity=0.5,
        )
        if number % 4 == 1 or number % 20 == 0:
            make_order(customer, products=[product], placed_at=now - timedelta(days=9 if number < 200 else 1))
        elif number % 4 == 0:
            make_order(customer, products=[product], placed_at=now - timedelta(days=2))  # after the 7 days
    assert update_allocations(at=now) == 1
    better.refresh_from_db()
    assert better.allocation == 0.9
    assert update_allocations(at=now + timedelta(hours=1)) == 0, "once a day"
    running = read_running_experiments().by_subject["placement", "for-you"]
    assert [variant.propensity for variant in running.variants] == pytest.approx([0.1, 0.9])
    page = admin_client.get(reverse("experiments:experiment", args=[experiment.key]))
    assert "“Variant 1” is better than the control" in page.text
    assert "Probability of being the best" in page.text
    assert "adjusted" not in page.text, "a bandit adjusts no mean"
    assert "100%" in page.text
    results = measure_experiment(experiment, as_of=now)
    assert [(variant.units, variant.buyers) for variant in results.variants] == [(100, 10), (100, 50)]
    assert "first exposed at least 7 days ago" in page.text
    assert "with the orders of the 7 days after it" in page.text
    early = measure_experiment(experiment, as_of=now - timedelta(days=4))
    assert describe_verdict(experiment, early, "EUR") == (
        "Too few people to tell: 0 so far. People are counted 7 days after their first exposure."
    )


@pytest.mark.parametrize(("planned", "window"), [(7, 1), (14, 3), (28, 7), (180, 7)])
def test_the_orders_of_a_bandit_count_for_a_quarter_of_the_planned_days(planned: int, window: int) -> None:
    experiment = Experiment(
        method="bandit", planned_days=planned, started_at=NOON, stopped_at=NOON + timedelta(days=planned)
    )
    assert compute_window(experiment) == timedelta(days=window)
    assert compute_information(experiment, as_of=NOON) == pytest.approx(1)


def test_the_information_grows_with_the_square_of_the_time_because_people_arrive() -> None:
    experiment = Experiment(method="fixed", planned_days=28, started_at=NOON)
    assert compute_information(experiment, as_of=NOON + timedelta(days=14)) == pytest.approx(0.25)


@pytest.mark.parametrize(("method", "days"), [("fixed", 6), ("bandit", 8)])
def test_the_relative_change_is_as_certain_as_the_difference(method: str, days: int) -> None:
    now = timezone.now()
    started = now - timedelta(days=days)
    experiment = make_experiment(method=method, status=Experiment.Status.DRAFT)
    start_experiment(experiment=experiment, user=None, now=started)
    experiment.refresh_from_db()
    product = make_product("tea")
    control, variant = experiment.variants.all()
    for number in range(200):
        customer = make_customer(f"u{number}")
        ExperimentExposure.objects.create(
            experiment=experiment,
            variant=variant if number % 2 else control,
            unit_key=f"user_id:u{number}",
            customer=customer,
            exposed_at=started + timedelta(hours=9),
            propensity=0.5,
        )
        if number % 10 in (0, 2, 1, 3, 5):  # 40% and 60%: 2.9 standard errors, of a bandit 2.3
            make_order(customer, products=[product], placed_at=started + timedelta(hours=10))
    orders = measure_experiment(experiment, as_of=now).variants[1].get_metric("orders")
    assert orders is not None
    assert orders.effect is not None
    assert orders.relative is not None
    assert orders.effect.low < 0 < orders.effect.high
    assert orders.relative.low < 0 < orders.relative.high, (
        "as of the difference; with the value of a single look, above 0"
    )


def test_uneven_groups_stop_the_reading(admin_client: Client) -> None:
    experiment = make_experiment()
    control = experiment.variants.get(is_control=True)
    ExperimentExposure.objects.bulk_create(
        ExperimentExposure(
            experiment=experiment, variant=control, unit_key=f"user_id:{number}", exposed_at=experiment.started_at
        )
        for number in range(60)
    )
    assert "cannot be trusted" in admin_client.get(reverse("experiments:experiment", args=[experiment.key])).text


@pytest.mark.parametrize(
    ("metric", "buyers", "sentence"),
    [
        ("revenue", (40, 0), " Nobody with “B” has ordered, so the effect is unknown."),
        ("orders", (1, 9), " Only 1 person with “A” has ordered, which is too few to tell."),
        ("margin", (40, 9), " Only 9 people with “B” have ordered, which is too few to tell."),
        ("revenue", (40, 10), ""),
        ("clicks", (40, 0), ""),
    ],
)
def test_an_unclear_result_says_with_which_variant_few_people_have_ordered(
    metric: str, buyers: tuple[int, int], sentence: str
) -> None:
    interval = ConfidenceInterval(0.2, -0.3, 0.7)
    variants = tuple(
        VariantResult(
            name, name, name == "A", False, 0.5, 0.5, 500, count, (VariantMetric(metric, 1.0, 500.0, interval),)
        )
        for name, count in zip("AB", buyers, strict=True)
    )
    results = ExperimentResults(NOON, ExperimentVerdict.UNCLEAR, "B", 0.5, 1.0, False, variants)
    text = describe_results(Experiment(metric=metric), results, "USD")
    assert text.startswith("Not clear yet whether “B” is better than the control.")
    assert text.endswith(f").{sentence}")


@pytest.mark.parametrize(("people", "sentence"), [(40, "Too few people to tell: 40"), (120, "Not clear")])
def test_a_stopped_experiment_waits_for_nothing(admin_client: Client, people: int, sentence: str) -> None:
    now = timezone.now()
    experiment = make_experiment()
    Experiment.objects.update(started_at=now - timedelta(days=9))
    product, variants = make_product("tea"), list(experiment.variants.all())
    for number in range(people):
        customer = make_customer(f"u{number}")
        ExperimentExposure.objects.create(
            experiment=experiment,
            variant=variants[number % 2],
            unit_key=f"user_id:u{number}",
            customer=customer,
            exposed_at=now - timedelta(days=5),
        )
        if number % 4 < 2:
            make_order(customer, products=[product], placed_at=now - timedelta(days=2))
    path = reverse("experiments:experiment", args=[experiment.key])
    running = admin_client.get(path)
    assert running.context["verdict"].startswith(sentence)
    assert "so far" in running.context["verdict"] or "Not clear yet" in running.context["verdict"]
    assert "The result is not significant yet." in running.text
    admin_client.post(reverse("experiments:stop", args=[experiment.key]))
    stopped = admin_client.get(path)
    assert stopped.context["verdict"].startswith(sentence)
    assert "so far" not in stopped.context["verdict"]
    assert " yet" not in stopped.context["verdict"]
    assert 'hx-confirm="Apply this variant to everyone? The result is not significant."' in stopped.text
    experiment.refresh_from_db()
    assert " yet" not in describe_experiment(experiment, as_of=now)


def test_who_may_not_change_a_placement_cannot_change_it_by_a_promotion(client: Client, django_user_model) -> None:  # type: ignore[no-untyped-def]
    experiment = make_experiment()
    marketer = django_user_model.objects.create_user("marketer", is_staff=True)
    marketer.user_permissions.set(Permission.objects.filter(content_type__app_label="experiments"))
    client.force_login(marketer)
    assert "Promote" not in client.get(reverse("experiments:experiment", args=[experiment.key])).text
    assert client.post(reverse("experiments:promote", args=[experiment.key]), {"variant": "b"}).status_code == 403
    api = f"/api/v1/experiments/{experiment.key}/promote/"
    answer = client.post(api, {"variant": "b"}, content_type="application/json")
    assert (answer.status_code, "serving.change_placementsettings" in answer.json()["detail"]) == (403, True)
    marketer.user_permissions.add(Permission.objects.get(codename="change_placementsettings"))
    response = client.post(reverse("experiments:promote", args=[experiment.key]), {"variant": "b"}, follow=True)
    assert "now apply to everyone" in response.text


def test_a_variant_that_only_turns_off_rules_is_not_promoted(admin_client: Client) -> None:
    experiment = make_experiment(configs=({}, {"rules": False}, {"rules": False, "diversity": 0.6}))
    promote = reverse("experiments:promote", args=[experiment.key])
    page = admin_client.post(promote, {"variant": "b"}, follow=True).text
    assert "This variant only turns off merchandising rules for the experiment." in page
    assert "now apply to everyone" not in page
    experiment.refresh_from_db()
    assert experiment.status == "running"
    page = admin_client.post(promote, {"variant": "c"}, follow=True).text
    assert "now apply to everyone. You can undo this. Merchandising rules are not changed." in page
    assert PlacementSettings.objects.get(placement="for-you").diversity == 0.6


@pytest.mark.parametrize(
    ("kind", "scopes", "statuses"),
    [
        ("placement", (), (409, 403, 403)),
        ("placement", ("recommendations:write",), (409, 200, 200)),
        ("offer", ("recommendations:write",), (403, 403, 403)),
        ("offer", ("campaigns:write",), (409, 409, 409)),  # the offer does not exist
        ("holdout", (), (409, 409, 409)),
    ],
)
def test_a_key_needs_the_scope_of_what_the_experiment_varies(
    kind: str, scopes: tuple[str, ...], statuses: tuple[int, ...]
) -> None:
    experiment = make_experiment(kind=kind, subject="for-you" if kind == "placement" else "")
    client = APIClient()
    grant = Grant(caller="key:1", name="key", scopes=frozenset(["experiments:write", *scopes]))
    client.force_authenticate(user=KeyCaller(grant), token=grant)  # type: ignore[arg-type]
    answers = [
        client.post(f"/api/v1/experiments/{experiment.key}/{action}/", body, format="json")
        for action, body in (("start", None), ("promote", {"variant": "b"}), ("undo-promotion", None))
    ]
    assert tuple(answer.status_code for answer in answers) == statuses
    if statuses[1] == 403:
        expected = "campaigns:write" if kind == "offer" else "recommendations:write"
        assert expected in answers[1].json()["detail"]


def test_interleaving_takes_two_lists_and_clicks_and_nothing_else(admin_client: Client) -> None:
    page = admin_client.get(reverse("experiments:new"))
    assert "mixes the products of both variants in every list" in page.text
    wrong = {**NEW, "method": "interleaving", "varied": "placement:categories", "variants": "3"}
    errors = admin_client.post(reverse("experiments:new"), wrong).context["form"].errors
    assert set(errors) == {"varied", "variants", "metric"}
    assert "Enter 2." in errors["variants"][0]
    held_out = {**NEW, "method": "interleaving", "varied": "holdout:", "metric": "clicks"}
    assert "Vary a placement" in admin_client.post(reverse("experiments:new"), held_out).text
    draft = admin_client.post(
        reverse("experiments:new"), {**NEW, "method": "interleaving", "metric": "clicks"}, follow=True
    )
    values = read_form(draft)
    assert "a-percent" not in values
    assert (
        "To detect a preference of 60% to 40% in 4 out of 5 cases, 283 people with a click that counts are needed."
        in draft.text
    )
    path = draft.request["PATH_INFO"]
    without_rules = {name: value for name, value in values.items() if name != "b-rules"}
    assert "Leave the rules on" in admin_client.post(path, without_rules, follow=True).text
    page = admin_client.post(path, {**values, "b-diversity": "0.7", "action": "start"}, follow=True)
    assert "The experiment is running" in page.text
    assert "Too few people to tell" in page.text
    assert "does not show whether people order more" in page.text
    assert 'hx-confirm="Apply this variant to everyone? The result is not significant yet."' in page.text


@pytest.mark.parametrize(
    ("control", "variant", "verdict", "sentence"),
    [
        (3, 9, "too_few", "Still needed to detect a preference of 60% to 40%: about 271"),
        (60, 120, "better", "People prefer “Variant 1”: 67% of the clicks that count were on its products"),
        (120, 60, "worse", "People prefer the control: only 33%"),
        (150, 150, "unclear", "No clear preference: 50%"),
    ],
)
def test_the_verdict_of_an_interleaving_counts_people(control: int, variant: int, verdict: str, sentence: str) -> None:
    experiment = make_experiment()
    results = make_preference_results(experiment, control, variant, fraction=1.0)
    assert results.verdict == verdict
    assert sentence in describe_preference(experiment, results)


def make_preference_results(
    experiment: Experiment, control: int, variant: int, *, fraction: float, clicked: int = 400
) -> ExperimentResults:
    """Return the results with so many people who clicked one product of the control or of the variant."""
    people = control + variant
    counts = PreferenceCounts(900, clicked, people, people, control, variant, (control, variant), (0, 0))
    preference = assess_counts(counts, information=fraction**2)
    verdict = choose_verdict(preference)
    variants = tuple(make_result(variant, preference) for variant in experiment.variants.all())
    return ExperimentResults(timezone.now(), verdict, "b", fraction, 1.0, False, variants, preference)


def test_an_interleaving_claims_no_certainty_before_its_planned_end() -> None:
    experiment = make_experiment(planned_days=14)
    narrows = "The interval narrows until the planned end (Dec 8, 2026)."
    early = describe_preference(experiment, make_preference_results(experiment, 150, 179, fraction=1 / 14))
    assert "No clear preference" in early
    assert "by now" not in early
    assert early.endswith(narrows)
    few = describe_preference(experiment, make_preference_results(experiment, 70, 80, fraction=1 / 14))
    assert few.endswith(narrows)
    nobody = describe_preference(experiment, make_preference_results(experiment, 0, 0, fraction=1 / 14))
    assert "narrows" not in nobody
    late = describe_preference(experiment, make_preference_results(experiment, 150, 150, fraction=1.0))
    assert late.endswith("A preference of 60% to 40% would probably have shown by now.")
    experiment.stopped_at = NOON + timedelta(days=1)
    stopped = describe_preference(experiment, make_preference_results(experiment, 150, 179, fraction=1 / 14))
    assert stopped.endswith("329 people).")
    few = describe_preference(experiment, make_preference_results(experiment, 3, 9, fraction=1 / 14))
    assert few.endswith("People with a click that counts: 12. Needed to detect a preference of 60% to 40%: about 283.")


@pytest.mark.parametrize(("clicked", "sentence"), [(60, "None of the 60 people"), (5, "Still needed to detect")])
def test_an_interleaving_of_equal_rankings_gives_a_hint(clicked: int, sentence: str) -> None:
    experiment = make_experiment()
    results = make_preference_results(experiment, 0, 0, fraction=0.5, clicked=clicked)
    text = describe_preference(experiment, results)
    assert sentence in text
    assert ("the same products in the same order" in text) == (clicked == 60)
