"""The REST API of flows: create, publish, pause, end, entries, recipes, and errors that name the step and the fix."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from recommendations.flows.models import Flow
from recommendations.flows.publishing import pause_flow
from recommendations.flows.rest.api import FlowDetail
from tests.makers import make_customer
from tests.recommendations.flows.makers import make_definition, make_template, message, run, signal, wait

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root", "root@example.org", "demo-pass-123"))
    return client


def post(api: Client, path: str, body: Any = None, **headers: str) -> Any:
    return api.post(f"/api/v1/flows/{path}", body or {}, content_type="application/json", headers=headers)


def test_a_flow_is_created_published_paused_resumed_and_ended(api: Client) -> None:
    make_template()
    body = {"key": "basket", "name": "Basket", "definition": make_definition([message("hello"), wait("pause", days=1)])}
    first = post(api, "", body, **{"Idempotency-Key": "k1"})
    again = post(api, "", body, **{"Idempotency-Key": "k1"})
    assert (first.status_code, again.status_code, Flow.objects.count()) == (201, 201, 1)
    assert first.json()["draft"]["steps"][0]["key"] == "hello"
    published = post(api, "basket/publish/").json()
    assert (published["status"], published["version"], published["draft"]) == ("live", 1, None)
    now = timezone.now()
    signal(make_customer("ada").pk, at=now)
    run(now)
    entries = api.get("/api/v1/flows/basket/entries/").json()
    rows = entries.get("results", entries.get("items"))
    assert [(row["user_id"], row["status"], row["step_key"]) for row in rows] == [("ada", "active", "pause")]
    assert post(api, "basket/pause/").json()["status"] == "paused"
    assert post(api, "basket/pause/").status_code == 409
    assert post(api, "basket/resume/").json()["status"] == "live"
    assert post(api, "basket/end/", {"people": "remove"}).json()["status"] == "ended"


def test_a_marketing_step_with_a_transactional_template_is_not_published(api: Client) -> None:
    version = make_template()
    version.template.is_transactional = True
    version.template.save()
    post(api, "", {"key": "basket", "name": "Basket", "definition": make_definition([message("hello")])})
    refused = post(api, "basket/publish/")
    assert refused.status_code in (400, 409, 422)
    assert "may lack an unsubscribe link" in refused.content.decode()
    definition = make_definition([message("hello", transactional=True)])
    post(api, "", {"key": "receipts", "name": "Receipts", "definition": definition})
    assert post(api, "receipts/publish/").json()["status"] == "live"


def test_a_flow_that_is_paused_while_it_is_renamed_stays_paused(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    make_template()
    post(api, "", {"key": "basket", "name": "Basket", "definition": make_definition([message("hello")])})
    post(api, "basket/publish/")
    find_flow = FlowDetail.get_object

    def find_before_pausing(view: FlowDetail) -> Flow:
        found = find_flow(view)
        pause_flow(flow=Flow.objects.get(pk=found.pk))
        return found

    monkeypatch.setattr(FlowDetail, "get_object", find_before_pausing)
    changed = api.patch("/api/v1/flows/basket/", {"name": "Cart"}, content_type="application/json").json()
    assert (changed["name"], changed["status"], Flow.objects.get().status) == ("Cart", "paused", "paused")


def test_publishing_a_broken_definition_names_the_step_and_the_fix(api: Client) -> None:
    definition = make_definition([message("hello", "missing"), {"key": "w", "kind": "wait_until", "hour": "9"}])
    post(api, "", {"key": "broken", "name": "Broken", "definition": definition})
    response = post(api, "broken/publish/")
    assert response.status_code == 400
    assert (
        "Step w, hour: '9'" in response.content.decode() or "Step w, hour: 9 is not a time" in response.content.decode()
    )
    changed = make_definition([message("hello", "missing")])
    api.patch("/api/v1/flows/broken/", {"definition": changed}, content_type="application/json")
    assert "No template has the key missing" in post(api, "broken/publish/").content.decode()


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        ("hello", "Steps: This must be a list."),
        (["hello"], "Each step must be an object with key and kind."),
        ([{"kind": "wait", "days": 1}], "is not a key"),
        ([{"key": "a"}], "Step a, kind: Unknown kind"),
        ([{"key": "a", "kind": "teleport"}], "Step a, kind: Unknown kind"),
        ([{"key": "a", "kind": "branch", "branches": []}], "Step a, branches:"),
        ([{"key": "a", "kind": "branch", "branches": {"yes": [1]}}], "Each step must be an object with key and kind."),
    ],
)
def test_a_draft_whose_steps_cannot_be_shown_is_refused(api: Client, steps: Any, text: str) -> None:
    body = {"key": "odd", "name": "Odd", "definition": make_definition([]) | {"steps": steps}}
    refused = post(api, "", body)
    assert refused.status_code == 400
    assert text in refused.content.decode()
    assert not Flow.objects.exists()


UNFINISHED = [{"key": "a", "kind": "wait"}, {"key": "b", "kind": "branch"}, {"key": "c", "kind": "message"}]


@pytest.mark.parametrize("definition", [{"steps": UNFINISHED}, {"steps": []}, {"goal": None}])
def test_an_unfinished_draft_is_saved_and_its_page_shows_what_is_missing(api: Client, definition: Any) -> None:
    assert post(api, "", {"key": "new", "name": "New", "definition": definition}).status_code == 201
    page = api.get(reverse("flows:flow", args=[Flow.objects.get().pk]))
    assert page.status_code == 200
    assert "not valid" in page.content.decode()


def test_recipes_are_listed_and_used(api: Client) -> None:
    recipes = {recipe["key"]: recipe for recipe in api.get("/api/v1/flows/recipes/").json()}
    assert recipes["price-drop"]["questions"][0]["name"] == "percent"
    assert post(api, "recipes/welcome/").status_code == 201
    assert Flow.objects.get().recipe == "welcome"
    wrong = post(api, "recipes/price-drop/", {"answers": {"percent": 0}})
    assert (wrong.status_code, "enter a number from 1 to 90" in wrong.content.decode()) == (400, True)
    assert post(api, "recipes/unknown/").status_code == 404
