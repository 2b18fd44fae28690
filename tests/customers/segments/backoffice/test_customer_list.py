"""The customers list: filters in the URL, masking, saved views, bulk actions and the export."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from customers.identity.models import Customer
from customers.segments.models import CustomerListView, Segment, SegmentAddition
from tests.makers import make_consent, make_customer, make_profile, make_segment

pytestmark = pytest.mark.django_db
LIST = "/admin/customers/"
# PostgreSQL stops the statement as after its time limit, which could also stop another statement on a busy machine
STOPPED = "CASE WHEN pg_cancel_backend(pg_backend_pid()) THEN pg_sleep(600) IS NULL END"
MARKETER = (
    "view_customerprofile", "view_segment", "add_segment", "change_segment", "export_customers",
    "view_customer",
)  # fmt: skip


def login(*permissions: str) -> Client:
    user = User.objects.create(username=f"user-{User.objects.count()}", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def read(response: Any) -> str:
    content = b"".join(response.streaming_content) if response.streaming else response.content
    return content.decode()


@pytest.fixture
def marketer() -> Client:
    return login(*MARKETER)


@pytest.fixture
def shop() -> dict[str, int]:
    """Make three customers and return their numbers."""
    return {
        "anna": make_profile(
            make_customer("anna", name="Anna Secret", email="anna@example.com"),
            stage="at_risk", churn=0.72, value=1234, last_order_at=datetime(2026, 9, 1, tzinfo=UTC),
        ).pk,
        "=ben": make_profile(make_customer("=ben"), stage="loyal", churn=0.1, value=99).pk,
        "cleo": make_profile(make_customer("cleo@example.com"), stage="visitor").pk,
    }  # fmt: skip


def test_list_shows_stage_value_risk_and_segments(marketer: Client, shop: dict[str, int]) -> None:
    make_segment("risky", {"field": "churn", "op": "gte", "value": 0.5}, name="Risky people")
    page = read(marketer.get(LIST))
    assert "3 customers in total." in page
    assert "1,234" in page
    assert "72%" in page
    assert "Risky people" in page
    assert reverse("admin:lifecycle_customer", args=[shop["anna"]]) in page


def test_names_are_shown_and_recorded_only_with_permission(marketer: Client, shop: dict[str, int]) -> None:
    page = read(marketer.get(LIST))
    assert "Anna Secret" not in page
    assert "cleo@example.com" not in page
    assert f"#{shop['cleo']}" in page
    officer = login(*MARKETER, "view_personal")
    before = LogEntry.objects.count()
    page = read(officer.get(LIST))
    assert "Anna Secret" in page
    assert "cleo@example.com" in page
    assert LogEntry.objects.count() == before + 1


def test_predictions_are_withheld_without_consent(marketer: Client, shop: dict[str, int]) -> None:
    from customers.identity.models import Customer

    make_consent(Customer.objects.get(pk=shop["anna"]), "personalisation", status="withdrawn")
    assert "72%" not in read(marketer.get(LIST))
    assert "0.72" not in read(marketer.get(f"{LIST}export.csv"))


def test_filter_form_leads_to_a_url_that_can_be_shared(marketer: Client, shop: dict[str, int]) -> None:
    condition = {"all": [{"field": "value", "op": "gte", "value": 100}]}
    answer = marketer.post(LIST, {"churn": "high", "condition": json.dumps(condition, indent=2), "q": ""})
    assert answer.status_code == 302
    assert "%0A" not in answer.url
    page = read(marketer.get(answer.url))
    assert "1 customer matches" in page
    assert "anna" in page
    assert "=ben" not in page


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("stage=best", "“best” is not a valid choice of “Stage”"),
        ("condition=%7B", "not valid JSON"),
        ('condition={"field":"nonsense","op":"eq"}', "nonsense"),
    ],
)
def test_problems_are_named_and_nothing_is_listed(
    marketer: Client, shop: dict[str, int], query: str, text: str
) -> None:
    page = read(marketer.get(f"{LIST}?{query}"))
    assert text in page
    assert reverse("admin:lifecycle_customer", args=[shop["anna"]]) not in page


def test_number_of_queries_does_not_depend_on_the_rows(marketer: Client, shop: dict[str, int]) -> None:
    marketer.get(LIST)
    with CaptureQueriesContext(connection) as few:
        marketer.get(LIST)
    for number in range(20):  # still one page
        make_profile(make_customer(f"more-{number}"), stage="new")
    with CaptureQueriesContext(connection) as many:
        marketer.get(LIST)
    assert len(many) == len(few)


def test_empty_list_says_what_to_do(marketer: Client) -> None:
    assert "There are no customers yet" in read(marketer.get(LIST))
    anna = make_customer("anna")
    page = read(login(*MARKETER, "change_periodictask").get(LIST))
    assert "No customer has a profile yet" in page
    assert "Run now" in page
    assert "no customers yet" not in page
    assert "0 customers in total" not in page
    make_profile(anna)
    assert "No customers match this filter" in read(marketer.get(f"{LIST}?q=nobody"))


def test_exact_number_is_counted_for_long_lists(
    marketer: Client, shop: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("customers.segments.customer_list.pages.MAX_PAGED", 2)
    page = read(marketer.get(LIST))
    assert "first" in page
    assert read(marketer.get(f"{LIST}count/")) == "3 customers"
    assert read(marketer.get(f"{LIST}count/?stage=loyal")) == "1 customer"


def test_customers_that_take_too_long_to_find_are_a_message(
    marketer: Client, shop: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Customer.objects.filter(RawSQL(STOPPED, [], output_field=BooleanField()))
    for module in ("list_page", "export", "selection"):
        monkeypatch.setattr(f"customers.segments.backoffice.customer_list.{module}.query_listed", lambda *_, **__: slow)
    answers = [marketer.get(f"{LIST}{path}?stage=loyal") for path in ("count/", "export.csv", "")]
    answers.append(marketer.post(f"{LIST}add-to-segment/", {"scope": "all", "query": "stage=loyal"}))
    assert [answer.status_code for answer in answers] == [400, 400, 200, 200]
    for answer in answers:
        assert "takes too long. Remove a condition" in read(answer)
    assert not LogEntry.objects.filter(additional_data__event="personal_data.exported").exists()


def test_views_are_private_unless_shared(marketer: Client, shop: dict[str, int]) -> None:
    fields = {"name": "Risky", "query": "churn=high&q=anna%40example.com", "customers_sort": "-value"}
    marketer.post(f"{LIST}views/save/", fields)
    view = CustomerListView.objects.get()
    assert view.parameters == {"churn": "high", "customers_sort": "-value"}
    colleague = login(*MARKETER)
    assert "Risky" not in read(colleague.get(LIST))
    marketer.post(f"{LIST}views/save/", {**fields, "is_shared": "on"})
    assert CustomerListView.objects.count() == 1
    assert "Risky" in read(colleague.get(LIST))
    assert "Delete view" not in read(colleague.get(f"{LIST}?churn=high&customers_sort=-value"))
    assert colleague.post(f"{LIST}views/{view.pk}/delete/").status_code == 403
    assert "Delete view" in read(marketer.get(f"{LIST}?churn=high&customers_sort=-value"))
    marketer.post(f"{LIST}views/{view.pk}/delete/")
    assert not CustomerListView.objects.exists()


def test_filter_is_saved_as_a_dynamic_segment(marketer: Client, shop: dict[str, int]) -> None:
    url = f"{LIST}save-as-segment/?churn=high"
    page = read(marketer.get(url))
    assert "Churn risk at least 0.5" in page
    assert "<strong>1 customer</strong>" in page
    answer = marketer.post(url, {"name": "High risk"})
    segment = Segment.objects.get()
    assert answer.url == reverse("admin:segments_segment_overview", args=[segment.pk])
    assert (segment.kind, segment.size) == ("dynamic", 1)
    assert "already exists" in read(marketer.post(url, {"name": "High risk"}))


def test_selected_customers_are_added_and_taken_out_again(marketer: Client, shop: dict[str, int]) -> None:
    chosen = {"scope": "selected", "customer": [shop["anna"], shop["cleo"]], "query": ""}
    assert "2 customers are selected" in read(marketer.post(f"{LIST}add-to-segment/", chosen))
    assert not Segment.objects.exists()
    page = read(marketer.post(f"{LIST}add-to-segment/", {**chosen, "confirm": "1", "name": "VIP"}, follow=True))
    assert "2 customers were added" in page
    segment, addition = Segment.objects.get(), SegmentAddition.objects.get()
    assert segment.size == 2
    undo = reverse("customer_list:undo", args=[addition.pk])
    assert undo in page
    assert "Undo removes only these" in read(marketer.get(undo))
    marketer.post(undo)
    segment.refresh_from_db()
    assert segment.size == 0


def test_all_that_match_are_added_to_an_existing_segment(marketer: Client, shop: dict[str, int]) -> None:
    segment = make_segment("vip", kind="static", condition={})
    chosen = {"scope": "all", "query": "churn=high", "confirm": "1", "segment": segment.pk}
    marketer.post(f"{LIST}add-to-segment/", chosen)
    assert [member.customer_id for member in segment.members.all()] == [shop["anna"]]
    assert "already in" in read(marketer.post(f"{LIST}add-to-segment/", chosen, follow=True))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"scope": "selected"}, "No customers are selected"),
        ({"scope": "all", "confirm": "1"}, "Choose a segment"),
    ],
)
def test_incomplete_additions_change_nothing(
    marketer: Client, shop: dict[str, int], fields: dict[str, str], text: str
) -> None:
    assert text in read(marketer.post(f"{LIST}add-to-segment/", {**fields, "query": ""}))
    assert not Segment.objects.exists()


def test_export_is_recorded_and_has_safe_cells(marketer: Client, shop: dict[str, int]) -> None:
    text = read(marketer.get(f"{LIST}export.csv?churn=low"))
    assert "'=ben" in text
    assert "anna" not in text
    entry = LogEntry.objects.filter(additional_data__event="personal_data.exported").get()
    assert entry.additional_data["details"]["filters"] == ["churn"]
    assert "Secret" not in read(marketer.get(f"{LIST}export.csv"))
    assert marketer.get(f"{LIST}export.csv?personal").status_code == 403
    officer = login(*MARKETER, "view_personal")
    assert "Anna Secret,anna@example.com" in read(officer.get(f"{LIST}export.csv?personal"))


def test_each_action_needs_its_permission(shop: dict[str, int]) -> None:
    analyst = login("view_customerprofile", "view_segment")
    page = read(analyst.get(LIST))
    assert "export.csv" not in page
    assert "add-to-segment" not in page.replace('action="/admin/customers/add-to-segment/"', "")
    assert analyst.get(f"{LIST}export.csv").status_code == 403
    assert analyst.get(f"{LIST}save-as-segment/?churn=high").status_code == 403
    assert analyst.post(f"{LIST}add-to-segment/", {"scope": "all"}).status_code == 403
    stranger = login("view_segment")
    for path in ("", "count/", "export.csv"):
        assert stranger.get(LIST + path).status_code == 403


def test_numbers_of_other_pages_lead_to_the_list(marketer: Client, shop: dict[str, int]) -> None:
    drilldown = reverse("admin:lifecycle_drilldown")
    assert marketer.get(f"{drilldown}?figure=stage&stage=at_risk").url == f"{LIST}?stage=at_risk"
    answer = marketer.get(f"{drilldown}?figure=probability&kind=churn&low=0.7&below=0.8", follow=True)
    assert "1 customer matches" in read(answer)
