"""The back-office pages of rules."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from recommendations.merchandising import tasks
from recommendations.merchandising.models import Rule
from tests.makers import make_product, make_segment

pytestmark = pytest.mark.django_db
LIST, ADD = reverse("admin:merchandising_rule_changelist"), reverse("admin:merchandising_rule_add")


def get_change_url(rule: Rule) -> str:
    return reverse("admin:merchandising_rule_change", args=[rule.pk])


def get_switch_url(rule: Rule) -> str:
    return reverse("admin:merchandising_rule_switch", args=[rule.pk])


def login(*permissions: str, role: str = "") -> Client:
    user = User.objects.create(username=f"user-{User.objects.count()}", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    if role:
        user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def queued_tasks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the tasks that were queued, in a list that grows."""
    queued: list[str] = []
    monkeypatch.setattr(tasks.write_segment_members, "delay", lambda: queued.append("members"))
    return queued


@pytest.fixture
def merchandiser(queued_tasks: list[str]) -> Client:
    return login(role="Merchandiser")


def read_body(response: Any) -> str:
    assert response.status_code == 200, response
    return response.content.decode()


def make_form(**changes: Any) -> dict[str, Any]:
    return {"name": "Hide kettles", "enabled": "on", "priority": 0, "action": "hide", "category": "Kitchen", **changes}


def make_rule(**fields: Any) -> Rule:
    return Rule.objects.create(**{"name": "Hide kettles", "action": "hide", "category": "Kitchen", **fields})


def test_a_merchandiser_creates_and_changes_a_rule_and_sees_its_effect(merchandiser: Client) -> None:
    for number in range(3):
        make_product(f"k{number}", category="Kitchen > Kettles", stock=number)
    assert "data-rule-preview" in read_body(merchandiser.get(ADD))
    response = merchandiser.post(ADD, make_form(), follow=True)
    rule = Rule.objects.get()
    assert (rule.action, rule.category, rule.enabled, rule.scenarios) == ("hide", "Kitchen", True, [])
    assert "hides every product" in read_body(response)
    page = read_body(merchandiser.get(get_change_url(rule)))
    assert "Hides products in Kitchen." in page
    assert "matches 3 visible products" in page
    assert "2 of them in stock" in page
    changed = make_form(
        action="pin", category="", product_ids="k1\r\nk0\r\n\r\nk1", position=2, scenarios=["cart", "search"]
    )
    assert merchandiser.post(get_change_url(rule), changed | {"weekdays": ["1", "7"]}).status_code == 302
    rule.refresh_from_db()
    assert (rule.product_ids, rule.position, rule.scenarios) == (["k1", "k0"], 2, ["cart", "search"])
    assert rule.weekdays == [1, 7]
    page = read_body(merchandiser.get(get_change_url(rule)))
    assert "k1\nk0" in page
    assert merchandiser.post(get_change_url(rule), changed | {"weekdays": ["1", "7"]}).status_code == 302
    history = list(LogEntry.objects.filter(object_repr="Hide kettles").order_by("pk"))
    assert [entry.action for entry in history] == [LogEntry.Action.CREATE, LogEntry.Action.UPDATE]
    assert history[1].changes["position"] == ["None", "2"]
    assert history[1].actor is not None


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"action": "pin"}, "A pin requires a position"),
        ({"action": "boost", "factor": "0.5"}, "A boost requires a factor from 1.01 to 100"),
        ({"category": ""}, "Choose products by"),
        ({"price_from": "5", "price_to": "4"}, "Swap the values"),
        (
            {"starts_at_0": "2026-11-24", "starts_at_1": "12:00", "ends_at_0": "2026-11-24", "ends_at_1": "11:00"},
            "end is before",
        ),
        ({"product_ids": "x" * 201}, "Enter one ID per line"),
        ({"margin_from": "30"}, "less than or equal to 1"),
    ],
)
def test_an_invalid_form_explains_the_fix(merchandiser: Client, changes: dict[str, str], text: str) -> None:
    assert text in read_body(merchandiser.post(ADD, make_form(**changes)))
    assert not Rule.objects.exists()


def test_fields_of_another_action_are_cleared(merchandiser: Client) -> None:
    assert merchandiser.post(ADD, make_form(position="x", factor="7")).status_code == 302
    assert (Rule.objects.get().position, Rule.objects.get().factor) == (None, None)


def test_a_category_path_is_normalized(merchandiser: Client) -> None:
    merchandiser.post(ADD, make_form(category=" Kitchen>Kettles "))
    assert Rule.objects.get().category == "Kitchen > Kettles"


def test_saving_warns_of_rules_without_products_and_of_conflicts(merchandiser: Client) -> None:
    make_product("a", category="Kitchen")
    make_product("b")
    make_rule()
    page = read_body(
        merchandiser.post(
            ADD, make_form(name="Pin", action="pin", category="", product_ids="a\nzzz", position=1), follow=True
        )
    )
    assert "1 product ID is not in the catalog: zzz." in page
    assert "“Pin” pins 1 product that “Hide kettles” hides" in page
    page = read_body(merchandiser.post(ADD, make_form(name="Nothing", category="Garden"), follow=True))
    assert "The rule matches no products (2 products in the catalog)" in page


def test_rules_whose_products_have_no_price_say_so(merchandiser: Client) -> None:
    for number in range(3):
        make_product(f"free-{number}", price=None, category="Samples")
    make_product("priced", category="Kitchen", price=5)
    pin = make_rule(name="Pin", action="pin", position=1, category="", product_ids=["free-0", "free-1", "priced"])
    only = make_rule(name="Only", action="only", category="Samples")
    make_rule(name="Boost", action="boost", factor=2, category="Samples")
    make_rule(name="Hide", action="hide", category="", price_from=1)
    in_search = make_rule(name="Search", action="only", category="Samples", scenarios=["search"])
    page = read_body(merchandiser.get(LIST))
    assert page.count("2 of 3 matching products have no price and are not recommended.") == 1
    assert page.count("3 of 3 matching products have no price and are not recommended.") == 1
    assert page.count("Recommendations ignore the rule until one has a price.") == 1
    assert page.count("The rule hides every product that can be recommended.") == 1
    assert "2 of them without a price" in read_body(merchandiser.get(get_change_url(pin)))
    assert "Recommendations ignore the rule" in read_body(merchandiser.get(get_change_url(only)))
    page = read_body(merchandiser.get(get_change_url(in_search)))
    assert "matches 3 visible products" in page
    assert "a price" not in page.split("rule-overview")[1].split("</form>")[0]


def test_the_list_describes_every_rule_with_a_constant_number_of_queries(merchandiser: Client) -> None:
    make_product("a", category="Kitchen")
    make_rule()
    make_rule(name="Pin it", action="pin", category="", product_ids=["a"], position=1)
    make_rule(name="Later", starts_at=datetime.now(UTC) + timedelta(days=1), segment=make_segment("loyal"))
    make_rule(name="Over", ends_at=datetime.now(UTC) - timedelta(days=1))
    make_rule(name="Off", enabled=False)
    with CaptureQueriesContext(connection) as few:
        page = read_body(merchandiser.get(LIST))
    with CaptureQueriesContext(connection) as again:
        merchandiser.get(LIST)
    assert len(again) == len(few) - 1, "the catalog is read once, until it changes"
    for text in ("Hides products in Kitchen.", "active", "scheduled", "ended", "disabled", "1 note"):
        assert text in page
    for number in range(20):
        make_rule(name=f"More {number}")
    with CaptureQueriesContext(connection) as many:
        merchandiser.get(LIST)
    assert len(many) == len(again)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("placement=cart", {"Everywhere", "Cart"}),
        ("placement=nowhere", {"Everywhere", "Cart", "Search"}),
        ("action__exact=boost", {"Search"}),
        ("enabled__exact=0", {"Cart"}),
        ("q=garden", {"Search"}),
    ],
)
def test_the_list_is_filtered(merchandiser: Client, query: str, names: set[str]) -> None:
    make_rule(name="Everywhere")
    make_rule(name="Cart", scenarios=["cart"], enabled=False)
    make_rule(name="Search", scenarios=["search"], action="boost", factor=2, category="Garden")
    response = merchandiser.get(f"{LIST}?{query}")
    read_body(response)
    assert {rule.name for rule in response.context["cl"].result_list} == names


def test_a_rule_is_disabled_and_enabled_with_one_click(merchandiser: Client, queued_tasks: list[str]) -> None:
    rule = make_rule(segment=make_segment("loyal"))
    assert get_switch_url(rule) in read_body(merchandiser.get(LIST))
    assert merchandiser.get(get_switch_url(rule)).status_code == 405
    assert "is now disabled" in read_body(merchandiser.post(get_switch_url(rule), follow=True))
    rule.refresh_from_db()
    assert not rule.enabled
    assert "is now enabled" in read_body(merchandiser.post(get_switch_url(rule), follow=True))
    rule.refresh_from_db()
    assert rule.enabled


def test_several_rules_are_enabled_and_disabled_together(merchandiser: Client) -> None:
    rules = [make_rule(name=str(number)) for number in range(3)]
    disable = {"action": "switch_off", "_selected_action": [str(rule.pk) for rule in rules[:2]]}
    assert "2 rules were changed" in read_body(merchandiser.post(LIST, disable, follow=True))
    assert list(Rule.objects.order_by("pk").values_list("enabled", flat=True)) == [False, False, True]
    enable = {"action": "switch_on", "_selected_action": [str(rules[0].pk)]}
    assert "1 rule was changed" in read_body(merchandiser.post(LIST, enable, follow=True))


@pytest.mark.django_db(transaction=True)
def test_saving_a_rule_with_a_segment_writes_the_segment_members(queued_tasks: list[str]) -> None:
    admin = Client()
    admin.force_login(User.objects.create_superuser("admin"), backend="django.contrib.auth.backends.ModelBackend")
    admin.post(ADD, make_form())
    assert queued_tasks == []
    admin.post(ADD, make_form(segment=make_segment("loyal").pk))
    assert queued_tasks == ["members"]


def test_an_analyst_can_view_and_not_change_rules() -> None:
    rule = make_rule()
    for analyst in (login(role="Analyst"), login(role="Marketer")):
        page = read_body(analyst.get(get_change_url(rule)))
        assert "Hides products in Kitchen." in page
        assert get_switch_url(rule) not in page
        assert get_switch_url(rule) not in read_body(analyst.get(LIST))
        assert analyst.post(get_switch_url(rule)).status_code == 403
        assert analyst.post(get_change_url(rule), make_form(name="Other")).status_code == 403
        assert analyst.get(ADD).status_code == 403
    rule.refresh_from_db()
    assert (rule.name, rule.enabled) == ("Hide kettles", True)
    stranger = login("view_segment")
    assert [stranger.get(page).status_code for page in (LIST, ADD, get_change_url(rule))] == [403, 403, 403]


def test_pages_are_available_in_chinese(merchandiser: Client) -> None:
    make_product("a", category="Kitchen")
    rule = make_rule()
    merchandiser.cookies["django_language"] = "zh-hans"
    for page in (LIST, ADD, get_change_url(rule)):
        assert 'lang="zh-hans"' in read_body(merchandiser.get(page)).lower()


def test_the_tabs_of_recommendations_link_to_the_rules(merchandiser: Client) -> None:
    performance = reverse("admin:serving_performanceday_changelist")
    assert f'href="{LIST}"' in read_body(merchandiser.get(performance))
