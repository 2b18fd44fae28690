"""What the REST API and the pages of the loyalty program do."""

import re
from datetime import timedelta
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from customers.loyalty.backoffice.rules_forms import compute_stored_version
from customers.loyalty.counting import count_pending, start_program
from customers.loyalty.models import CategoryBonus, LevelChange, LoyaltyLevel, LoyaltyMember, LoyaltyProgram, PointEntry
from customers.loyalty.points.ledger import adjust_points
from tests.customers.loyalty.makers import make_levels, make_program
from tests.makers import NOON, make_category, make_customer, make_order, make_product

pytestmark = pytest.mark.django_db
BASE = "/api/v1/customers/anna/loyalty/"


@pytest.fixture
def api(admin_client: Client) -> Client:
    return admin_client


def test_points_are_read_reserved_confirmed_and_cancelled_once(api: Client) -> None:
    make_program(), make_levels()
    anna = make_customer("anna")
    make_order(anna, products=[make_product(price=Decimal(120))])
    count_pending(now=NOON)
    state = api.get(BASE, headers={"accept-language": "zh-hans"}).json()
    assert (state["level"]["name"], state["balance"], state["next_level"]["key"]) == ("银卡", 120, "gold")
    assert (state["next_level"]["spend_missing"], state["next_level"]["orders_missing"]) == ("380.00", 4)

    def post(path: str, body: Any = None, key: str = "") -> Any:
        headers = {"idempotency-key": key} if key else {}
        return api.post(f"{BASE}{path}", body or {}, content_type="application/json", headers=headers)

    first = post("reservations/", {"points": 100, "reference": "cart-1"}, key="k1")
    assert (first.status_code, first.json()) == (
        201,
        post("reservations/", {"points": 100, "reference": "cart-1"}, "k1").json(),
    )
    refused = post("reservations/", {"points": 21})
    assert (refused.status_code, refused.json()["detail"]) == (409, "Points available: 20; requested: 21.")
    confirm = f"reservations/{first.json()['id']}/confirm/"
    assert [post(confirm).json()["status"] for _attempt in range(2)] == ["confirmed", "confirmed"]
    assert post(confirm.replace("confirm", "cancel")).status_code == 409
    other = post("reservations/", {"points": 20}).json()["id"]
    assert post(f"reservations/{other}/cancel/").json()["status"] == "cancelled"
    unknown = post("reservations/999/confirm/")
    assert (unknown.status_code, unknown.json()["detail"]) == (404, "The customer has no reservation with this ID.")
    assert api.get(BASE.replace("anna", "nobody")).json()["detail"] == "No customer has this user ID."
    assert post("reservations/", {"points": 0}).status_code == 400
    assert [post("sign-in/").json()["is_new"] for _attempt in range(2)] == [True, False]
    entries = api.get(f"{BASE}statement/").json()["results"]
    assert [(entry["kind"], entry["points"]) for entry in entries] == [
        ("order", 120),
        ("redemption", -100),
        ("sign_in", 5),
    ]
    assert api.get(BASE).json()["available"] == 25


def build_form(action: str, **changes: Any) -> dict[str, Any]:
    level = {"name": "Base"}, {"name": "Gold", "name_zh": "金卡", "min_spend": "100", "points_per_unit": "2"}
    values = {
        "is_enabled": "on", "period_months": 12, "validity_months": 12, "grace_days": 30, "points_per_unit": 1, "expiry_months": 12,
        "point_value": "0.01", "sign_in_points": 1, "streak_days": 7, "streak_bonus": 10, "review_points": 0, "survey_points": 0,
        "reservation_minutes": 30, "levels-TOTAL_FORMS": 2, "levels-INITIAL_FORMS": 0, "bonuses-TOTAL_FORMS": 1,
        "bonuses-INITIAL_FORMS": 0, "action": action, "opened": compute_stored_version(),
    }  # fmt: skip
    for number, row in enumerate(level):
        values |= {f"levels-{number}-{name}": value for name, value in row.items()}
    return values | changes


def save_previewed(client: Client, **changes: Any) -> int:
    """Save what a preview has shown; return the status."""
    url = reverse("loyalty:rules")
    previewed = client.post(url, build_form("preview", **changes)).context["previewed"]
    return client.post(url, build_form("save", previewed=previewed, **changes)).status_code


def test_rules_are_previewed_then_saved_and_levels_rise(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "customers.loyalty.tasks.apply_rules.delay", lambda reason: start_program(now=NOON, reason=reason)
    )
    url, drinks = reverse("loyalty:rules"), make_category("Drinks")
    make_order(make_customer(), products=[make_product(price=Decimal(120))])
    assert "example" in admin_client.get(url).text
    page = admin_client.post(url, build_form("preview"))
    assert (page.status_code, "Nothing has been saved" in page.text) == (200, True)
    assert "Customers now" in page.text, "before the start, nobody is a member"
    assert not LoyaltyLevel.objects.exists()
    bonus = {"bonuses-0-category": drinks.pk, "bonuses-0-multiplier": "3"}
    unseen = admin_client.post(url, build_form("save", previewed=page.context["previewed"], **bonus))
    assert "Check the preview" in unseen.text
    assert not LoyaltyLevel.objects.exists()
    assert save_previewed(admin_client, **bonus) == 302
    assert LoyaltyMember.objects.get().level.key == "gold"
    assert LevelChange.objects.get().reason == "rules"
    assert (CategoryBonus.objects.get().multiplier, LoyaltyProgram.objects.get().started_at is not None) == (3, True)
    gold = LoyaltyLevel.objects.get(key="gold")
    kept = {"levels-0-name": "", "levels-1-level": gold.pk, "levels-1-min_spend": "50"}
    assert save_previewed(admin_client, **kept) == 302
    assert list(LoyaltyLevel.objects.values_list("key", "position", "min_spend")) == [("gold", 0, Decimal(50))]
    same = admin_client.post(url, build_form("save", **{"levels-0-name": "Gold"}))
    assert (same.status_code, "Two levels have the name" in same.text) == (400, True)


def test_rules_that_a_colleague_changed_meanwhile_are_not_overwritten(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("customers.loyalty.tasks.apply_rules.delay", lambda _reason: None)
    url, _program, levels = reverse("loyalty:rules"), make_program(), make_levels()
    page = admin_client.get(url)
    opened = page.context["opened"]
    assert f'name="opened" value="{opened}"' in page.text
    own = {"opened": opened, "levels-0-level": levels[0].pk, "levels-1-level": levels[2].pk, "grace_days": 5}
    previewed = admin_client.post(url, build_form("preview", **own)).context["previewed"]
    silver = levels[1].pk
    levels[1].delete()
    removed = admin_client.post(url, build_form("preview", **own | {"levels-1-level": silver}))
    assert (removed.status_code, removed.context["preview"]) == (400, None)
    assert "The rules or levels were changed after you opened this page" in removed.text
    assert "This level was removed meanwhile" in removed.text
    LoyaltyLevel.objects.create(key="platinum", name="Platinum", position=9, min_spend=9000)
    late = admin_client.post(url, build_form("save", previewed=previewed, **own))
    assert (late.status_code, "The rules or levels were changed" in late.text) == (400, True)
    # a colleague saves between the check of the page and the own save
    monkeypatch.setattr(
        "customers.loyalty.backoffice.rules_page.compute_stored_version", iter([opened, "new"]).__next__
    )
    late = admin_client.post(url, build_form("save", previewed=previewed, **own))
    assert (late.status_code, "The rules or levels were changed" in late.text) == (400, True)
    assert LoyaltyLevel.objects.filter(key__in=["gold", "platinum"]).count() == 2
    assert LoyaltyProgram.objects.get().grace_days == 30


@pytest.mark.parametrize(
    ("base", "gold", "problem"),
    [
        ({"name_zh": "金卡"}, {}, "Two levels have the name “金卡”"),
        ({"name": "金卡"}, {"name": "Gold"}, "Two levels have the name “金卡”"),
        ({"min_spend": "300"}, {"min_spend": "200"}, "Nobody would be in the level “Base”"),
        ({"min_spend": "300"}, {"min_spend": ""}, "also reaches the higher level “Gold”"),
        ({"min_spend": "300", "min_orders": "5"}, {"min_spend": "200", "min_orders": "5"}, "Nobody would be in"),
        ({"min_spend": "300", "min_orders": "5"}, {"min_spend": "200"}, ""),
        ({"min_spend": "300", "min_orders": "5", "requires_both": "on"}, {"min_spend": "200"}, "Nobody would be in"),
        ({"min_spend": "300"}, {"min_spend": "200", "min_orders": "5", "requires_both": "on"}, ""),
    ],
)
def test_levels_that_nobody_can_tell_apart_or_be_in_are_refused(
    admin_client: Client, base: dict[str, str], gold: dict[str, str], problem: str
) -> None:
    changes = {
        f"levels-{number}-{name}": value for number, row in enumerate((base, gold)) for name, value in row.items()
    }
    page = admin_client.post(reverse("loyalty:rules"), build_form("preview", **changes))
    assert (page.status_code, problem in page.text) == (400 if problem else 200, True)


def test_pages_show_points_and_an_adjustment_is_posted_once(admin_client: Client) -> None:
    overview = reverse("loyalty:overview")
    assert "Set up the program" in admin_client.get(overview).text
    make_program(), make_levels()
    anna = make_customer()
    url = reverse("loyalty:adjust", args=[anna.pk])
    form = {"points": "250", "note": "Birthday", "key": "00000000-0000-4000-8000-000000000001"}
    assert [admin_client.post(url, form).status_code for _attempt in range(2)] == [302, 302]
    assert PointEntry.objects.get().by == "admin"
    too_much = admin_client.post(url, {**form, "points": "-251", "key": "00000000-0000-4000-8000-000000000002"})
    assert "At most 250 points can be deducted." in too_much.text
    LoyaltyMember.objects.filter(pk=anna.pk).update(balance=-1250)
    negative = admin_client.post(url, {**form, "points": "-1", "key": "00000000-0000-4000-8000-000000000003"})
    assert "No points can be deducted: −1,250 points are available." in negative.text
    LoyaltyMember.objects.filter(pk=anna.pk).update(balance=250)
    tab = admin_client.get(reverse("admin:lifecycle_customer", args=[anna.pk]), {"tab": "loyalty"})
    assert "Birthday" in tab.text
    page = admin_client.get(overview).text
    assert "2.50" in page
    LoyaltyMember.objects.create(customer=make_customer(), balance=-200)
    assert "1 member holds points worth" in admin_client.get(overview).text, "not the one with a negative balance"
    listed = re.search(r'href="([^"]*loyalty_points[^"]*)"', page) or pytest.fail(page)
    assert admin_client.get(unescape(listed[1])).status_code == 200
    assert "Birthday" in admin_client.get(reverse("loyalty:ledger"), {"kind": "manual"}).text


def test_until_the_first_count_pages_say_that_levels_are_being_calculated(admin_client: Client) -> None:
    make_program(), make_levels()
    anna, looker = make_customer(), make_customer()
    make_order(anna, placed_at=NOON)
    LoyaltyProgram.objects.update(updated_at=NOON + timedelta(hours=1))

    def read(customer_id: int) -> str:
        return admin_client.get(reverse("admin:lifecycle_customer", args=[customer_id]), {"tab": "loyalty"}).text

    calculating, none = "of this customer are still being calculated", "has not ordered or signed in yet"
    overview, hint = reverse("loyalty:overview"), "are still being calculated in the background"
    assert hint in admin_client.get(overview).text
    page = read(anna.pk)
    assert (calculating in page, none in page) == (True, False)
    page = read(looker.pk)
    assert (calculating in page, none in page) == (False, True)
    start_program(now=NOON, reason="rules")
    assert calculating not in read(anna.pk)
    make_order(looker, placed_at=NOON + timedelta(hours=2))  # counted within minutes, and nothing else waits for it
    page = admin_client.get(overview).text
    assert (hint in page, "hold points worth" in page) == (False, True)


def test_a_user_who_may_only_look_cannot_adjust(client: Client, settings: Any) -> None:
    settings.TWO_FACTOR_REQUIRED = False
    user = User.objects.create_user("ann", password="x", is_staff=True)
    user.groups.add(Group.objects.get(name="Analyst"))
    client.force_login(user)
    anna = make_customer()
    adjust_points(customer_id=anna.pk, points=5, note="x", by="y", key="1", now=NOON)
    assert client.get(reverse("loyalty:overview")).status_code == 200
    assert client.post(reverse("loyalty:adjust", args=[anna.pk])).status_code == 403
    assert client.post(reverse("loyalty:rules")).status_code == 403
