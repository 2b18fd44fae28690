"""Admin pages of segments."""

import json
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from config.foundation.number_formats import format_full_day
from customers.analytics.models import SavedReport
from customers.segments.editing import read_user_ids
from customers.segments.membership import count_members
from customers.segments.models import Segment, SegmentDay
from tests.makers import make_customer, make_profile, make_segment

pytestmark = pytest.mark.django_db
LOYAL = {"all": [{"field": "stage", "op": "in", "value": ["loyal"]}]}


def login(*permissions: str, superuser: bool = False) -> Client:
    user = User.objects.create(username=f"user-{User.objects.count()}", is_staff=True, is_superuser=superuser)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def marketer() -> Client:
    return login("view_segment", "add_segment", "change_segment", "delete_segment")


@pytest.fixture
def analyst() -> Client:
    return login("view_segment")


def body(response: Any) -> str:
    content = b"".join(response.streaming_content) if response.streaming else response.content
    return content.decode()


def form(**changes: Any) -> dict[str, Any]:
    return {
        "name": "Loyal",
        "key": "loyal",
        "description": "",
        "kind": "dynamic",
        "condition": json.dumps(LOYAL),
        **changes,
    }


def preview(client: Client, condition: Any, key: str = "") -> Any:
    data = json.dumps({"condition": condition, "key": key})
    return client.post(reverse("admin:segments_segment_preview"), data, content_type="application/json")


def test_without_a_key_it_follows_from_the_name_also_of_a_chinese_one(marketer: Client) -> None:
    for name in ("Lapsed coffee drinkers", "忠诚客户"):
        marketer.post(reverse("admin:segments_segment_add"), form(name=name, key=""))
    keys = dict(Segment.objects.values_list("name", "key"))
    assert keys["Lapsed coffee drinkers"] == "lapsed-coffee-drinkers"
    assert keys["忠诚客户"].startswith("list-")
    marketer.post(reverse("admin:segments_segment_add"), form(name="近 30 天有购买", key="30"))
    assert Segment.objects.get(name="近 30 天有购买").key.startswith("list-"), "30 is what the page suggests"


def test_list_shows_sizes_and_errors_without_a_query_per_row(marketer: Client) -> None:
    make_segment("loyal", LOYAL, size=1234, duration_ms=5.5)
    make_segment("broken", {}, error="$: not valid")
    with CaptureQueriesContext(connection) as few:
        page = body(marketer.get(reverse("admin:segments_segment_changelist")))
    assert "1,234" in page
    assert "not valid" in page
    for number in range(20):
        make_segment(f"more-{number}")
    with CaptureQueriesContext(connection) as many:
        marketer.get(reverse("admin:segments_segment_changelist"))
    assert len(many) == len(few)


def test_marketer_creates_a_segment_with_the_builder(marketer: Client) -> None:
    make_profile(make_customer("anna"), stage="loyal")
    page = body(marketer.get(reverse("admin:segments_segment_add")))
    assert "segments/condition-builder.js" in page
    assert '"name": "stage"' in page
    answer = marketer.post(reverse("admin:segments_segment_add"), form())
    assert answer.status_code == 302, body(answer)
    segment = Segment.objects.get()
    assert (segment.condition, segment.size) == (LOYAL, 1)
    page = marketer.get(reverse("admin:segments_segment_change", args=[segment.pk]))
    assert page.status_code == 200
    assert "Size and changes" in body(page), "the history of changes of the settings is another link"


def test_link_can_prefill_a_condition(marketer: Client) -> None:
    page = body(
        marketer.get(reverse("admin:segments_segment_add"), {"condition": json.dumps(LOYAL), "name": "Offered"})
    )
    assert "&quot;loyal&quot;" in page
    assert "Offered" in page
    assert marketer.get(reverse("admin:segments_segment_add"), {"condition": "{no json"}).status_code == 200


@pytest.mark.parametrize(
    ("changes", "expected_text"),
    [
        ({"condition": '{"all": [{"field": "stag", "op": "in"}]}'}, "$.all[0].field"),
        ({"condition": '{"field": "segment", "op": "in", "value": ["loyal"]}'}, "loyal → loyal"),
        ({"condition": ""}, "is not a condition"),
        ({"condition": "{"}, "valid JSON"),
        ({"key": "preview"}, "reserved by the REST API"),
    ],
)
def test_invalid_condition_is_not_saved(marketer: Client, changes: dict[str, str], expected_text: str) -> None:
    answer = marketer.post(reverse("admin:segments_segment_add"), form(**changes))
    assert answer.status_code == 200
    assert expected_text in body(answer)
    assert not Segment.objects.exists()


def test_a_form_opened_earlier_keeps_the_changes_of_others(marketer: Client) -> None:
    segment = make_segment("loyal", LOYAL, name="Loyal")
    change = reverse("admin:segments_segment_change", args=[segment.pk])
    found = re.search(r'name="opened_state" value="([^"]+)"', body(marketer.get(change)))
    assert found, "the page has the state in which it was opened"
    opened = {"opened_state": found[1]}
    assert marketer.post(change, form(description="Two\r\nlines", **opened)).status_code == 302
    assert marketer.post(change, form(name="Regulars", **opened)).status_code == 302
    segment.refresh_from_db()
    assert (segment.name, segment.description) == ("Regulars", "Two\r\nlines")

    Segment.objects.filter(pk=segment.pk).update(condition={"all": []})
    narrower = json.dumps({"all": [*LOYAL["all"], {"field": "orders", "op": "gte", "value": 3}]})
    refused = marketer.post(change, form(name="Regulars", condition=narrower, **opened))
    assert "Somebody else has changed this field since you opened the page." in body(refused)
    segment.refresh_from_db()
    assert segment.condition == {"all": []}


def test_member_file_is_uploaded_and_unknown_ids_are_reported(marketer: Client) -> None:
    make_customer("anna")
    file = SimpleUploadedFile("list.csv", b"user_id\nanna\nnobody\n")
    address = reverse("admin:segments_segment_add")
    page = body(marketer.post(address, form(kind="static", list_file=file), follow=True))
    assert "nobody" in page
    segment = Segment.objects.get()
    assert (segment.size, segment.condition) == (1, {})
    invalid = SimpleUploadedFile("list.csv", b"a,b\n1,2\n")
    change = reverse("admin:segments_segment_change", args=[segment.pk])
    assert "user_id" in body(marketer.post(change, form(list_file=invalid)))
    assert marketer.post(change, form(name="Renamed")).status_code == 302
    segment.refresh_from_db()
    assert (segment.name, segment.members.count()) == ("Renamed", 1)


def test_preview_returns_the_count_or_the_path_of_the_problem(marketer: Client) -> None:
    make_profile(make_customer("anna"), stage="loyal")
    assert preview(marketer, LOYAL).json()["count"] == 1
    invalid = preview(marketer, {"all": [{"field": "r", "op": "eq", "value": 7}]})
    assert invalid.status_code == 400
    assert invalid.json()["problems"][0]["path"] == "$.all[0].value"
    assert (
        preview(marketer, {"field": "segment", "op": "in", "value": ["me"]}, key="me").json()["problems"][0]["code"]
        == "cycle"
    )
    for nonsense in ("", "[]", '"x"', "{}", "[" * 100_000):
        answer = marketer.post(reverse("admin:segments_segment_preview"), nonsense, content_type="application/json")
        assert answer.status_code == 400
    assert marketer.get(reverse("admin:segments_segment_preview")).status_code == 405


def test_names_are_suggested_for_fields_that_have_some(marketer: Client) -> None:
    make_segment("champions")
    make_customer("a", country="DE")
    address = reverse("admin:segments_segment_suggest")
    assert marketer.get(address, {"field": "segment", "q": "champ"}).json() == {"names": ["champions"]}
    assert marketer.get(address, {"field": "country", "q": "d"}).json() == {"names": ["DE"]}
    assert marketer.get(address, {"field": "stage", "q": "\0"}).json() == {"names": []}


def test_members_are_paged_a_hundred_at_a_time(marketer: Client) -> None:
    segment = make_segment("all-customers")
    for number in range(101):
        make_profile(make_customer(f"u{number:03}"), stage="loyal")
    address = reverse("admin:segments_segment_members", args=[segment.pk])
    first = marketer.get(address)
    assert "101 customers" in body(first)
    assert "u099" in body(first)
    assert "u100" not in body(first)
    second = body(marketer.get(address, {"after": first.context["next"]}))
    assert "u100" in second
    assert "u099" not in second
    assert marketer.get(address, {"after": "x'; --"}).status_code == 200


def test_members_have_names_for_who_may_see_them_and_amounts_of_money(marketer: Client, settings: Any) -> None:
    settings.SHOP_CURRENCY = "EUR"
    segment = make_segment("loyal", LOYAL)
    customer = make_customer("household-9", name="Anna Secret")
    make_profile(customer, stage="loyal", orders=1234, revenue=Decimal("9549.6"))
    address = reverse("admin:segments_segment_members", args=[segment.pk])
    page = body(login(superuser=True).get(address))
    for text in ("Anna Secret", "household-9", "1,234", "€9,549.60"):
        assert text in page
    page = body(marketer.get(address))
    assert "household-9" in page
    assert "Secret" not in page


@pytest.mark.usefixtures("one_second")
def test_the_summary_of_a_short_history_names_its_first_day(marketer: Client) -> None:
    segment, today = make_segment("loyal", LOYAL), timezone.localdate()
    count_members(segment=segment, as_of=timezone.now(), with_history=True)
    address = reverse("admin:segments_segment_overview", args=[segment.pk])
    assert (
        marketer.get(address).context["verdict"]
        == f"0 customers; since {format_full_day(today)}, 0 entered and 0 left."
    )
    SegmentDay.objects.create(segment=segment, day=today - timedelta(days=27), size=2, entered=2, left=0)
    assert marketer.get(address).context["verdict"] == "0 customers; in the last 28 days 2 entered and 0 left."


def test_invalid_segment_shows_the_reason(marketer: Client) -> None:
    segment = make_segment("broken", {"field": "x", "op": "eq"})
    assert "$.field" in body(marketer.get(reverse("admin:segments_segment_members", args=[segment.pk])))
    assert marketer.get(reverse("admin:segments_segment_members_csv", args=[segment.pk])).status_code == 409


def test_csv_contains_personal_data_only_with_permission(marketer: Client) -> None:
    segment = make_segment("all-customers")
    make_profile(make_customer("=anna", name="Anna Secret", email="anna@example.com"), stage="loyal", orders=3)
    address = reverse("admin:segments_segment_members_csv", args=[segment.pk])
    text = body(marketer.get(address))
    assert text.startswith("\ufeffuser_id,")
    assert "'=anna,loyal,,,,,3," in text
    assert read_user_ids(text.encode()) == ["'=anna"], "the list can be imported again"
    assert "Secret" not in text
    assert marketer.get(address, {"personal": ""}).status_code == 403
    officer = login(superuser=True)
    assert "Anna Secret,anna@example.com" in body(officer.get(address, {"personal": ""}))
    assert "Secret" not in body(officer.get(address))


def test_analyst_can_only_view(analyst: Client) -> None:
    segment = make_segment("loyal", LOYAL)
    change = reverse("admin:segments_segment_change", args=[segment.pk])
    assert analyst.get(change).status_code == 200
    assert analyst.get(reverse("admin:segments_segment_members", args=[segment.pk])).status_code == 200
    assert analyst.post(change, form(name="Mine")).status_code == 403
    assert analyst.get(reverse("admin:segments_segment_add")).status_code == 403
    assert analyst.post(reverse("admin:segments_segment_delete", args=[segment.pk]), {"post": "yes"}).status_code == 403
    segment.refresh_from_db()
    assert segment.name == "loyal"


def test_pages_require_view_permission() -> None:
    segment = make_segment("loyal", LOYAL)
    stranger = login("view_customer")
    for name, arguments in (("preview", []), ("suggest", []), ("members", [segment.pk]), ("members_csv", [segment.pk])):
        assert stranger.get(reverse(f"admin:segments_segment_{name}", args=arguments)).status_code == 403


def test_referenced_segment_is_protected(marketer: Client) -> None:
    loyal = make_segment("loyal", LOYAL)
    make_segment("both", {"field": "segment", "op": "in", "value": ["loyal"]})
    marketer.post(reverse("admin:segments_segment_delete", args=[loyal.pk]), {"post": "yes"})
    assert Segment.objects.filter(key="loyal").exists()
    chosen = {"action": "delete_selected", "_selected_action": [loyal.pk], "post": "yes"}
    marketer.post(reverse("admin:segments_segment_changelist"), chosen)
    assert Segment.objects.filter(key="loyal").exists()


def test_a_segment_that_reports_use_is_protected(marketer: Client) -> None:
    loyal, other = make_segment("loyal", LOYAL), make_segment("other", LOYAL)
    by_segment = {"series": [{"event": {}}], "breakdown": {"kind": "segment", "name": "loyal"}}
    SavedReport.objects.create(name="Loyal visits", question="trends", parameters=by_segment)
    SavedReport.objects.create(name="Visits of loyal", question="trends", parameters={"segment": "loyal"})
    url = reverse("admin:segments_segment_delete", args=[loyal.pk])
    page = body(marketer.get(url))
    assert "“loyal” is in use and can’t be deleted. First delete or change:" in page
    assert "the report “Loyal visits” (uses the segment “loyal”)" in page
    assert "the report “Visits of loyal” (uses the segment “loyal”)" in page
    marketer.post(url, {"post": "yes"})
    assert Segment.objects.filter(key="loyal").exists()
    marketer.post(reverse("admin:segments_segment_delete", args=[other.pk]), {"post": "yes"})
    assert not Segment.objects.filter(key="other").exists()


def test_count_now_counts_the_selected_segments(marketer: Client) -> None:
    loyal = make_segment("loyal", LOYAL)
    chosen = {"action": "count_now", "_selected_action": [loyal.pk]}
    marketer.post(reverse("admin:segments_segment_changelist"), chosen)
    loyal.refresh_from_db()
    assert loyal.size == 0
