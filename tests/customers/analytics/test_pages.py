"""An analyst builds a question, sees its result and its people, saves them as a segment, and saves the report on a dashboard."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from catalog.models import Product
from customers.analytics.backoffice.building import vocabulary_choices
from customers.analytics.backoffice.building.drafts import FieldErrors, change_rows, draft_filter, read_filter
from customers.analytics.backoffice.building.vocabulary_choices import list_breakdown_options
from customers.analytics.backoffice.event_texts import label_property, label_series
from customers.analytics.backoffice.question_pages import QUESTION_PAGES
from customers.analytics.backoffice.reports.presets import PRESETS, WEEKLY
from customers.analytics.expressions.matching import EventMatch
from customers.analytics.models import AnalyticsResult, Annotation, Dashboard, ResultStatus, SavedReport
from customers.analytics.questions.trends import TrendSeries
from customers.analytics.results import compute_result
from customers.events.models import Event
from customers.orders.models import Order, OrderLine
from customers.segments.event_counts.recounting import recount_all
from customers.segments.models import Segment
from customers.warehouse.export import export_warehouse
from customers.warehouse.models import ExportRun
from tests.customers.events.makers import make_event
from tests.makers import make_customer, make_order, make_product, make_profile, make_source

VIEW, CART = "Product Viewed", "Product Added"
CY = "cy@shop.example"  # an ID that is personal


@pytest.fixture
def shop(settings: Any, tmp_path: Any, one_second: datetime, monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    """Three people who view a tea; two add it to the cart, one of them orders."""
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")
    keep_vocabulary(monkeypatch)
    now, tea = one_second - timedelta(days=2), make_product("tea")
    source = make_source()
    for number, name in enumerate(("ada", "bo", CY)):
        customer = make_customer(name)
        make_profile(customer)
        at = now + timedelta(minutes=number)
        make_event(source, at=at, user_id=name, name=VIEW, properties={"brand": "Acme", "query": name})
        if number < 2:
            later = at + timedelta(minutes=5)
            make_event(source, at=later, user_id=name, name=CART, properties={"brand": "Acme"})
        if number < 1:
            make_order(customer, products=[tea], placed_at=at + timedelta(hours=1))
    export_warehouse(started_at=timezone.now())
    recount_all()


def keep_vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count what the builder offers once in a test, as in a shop where this takes long: it would take a third of the time of these tests."""
    kept: dict[str, Any] = {}

    def get_figures(key: str, _kind: Any, count: Callable[[], Any]) -> Any:
        if key not in kept:
            kept[key] = count()
        return kept[key]

    monkeypatch.setattr(vocabulary_choices, "get_figures", get_figures)


def open_result(client: Client, url: str, **headers: str) -> Any:
    """Return the page after its result was computed."""
    page = client.get(url, headers=headers, follow=True)
    queued = list(AnalyticsResult.objects.filter(status=ResultStatus.QUEUED))
    for row in queued:
        compute_result(result_id=row.pk, now=timezone.now())
    return client.get(url, headers=headers, follow=True) if queued else page


def make_form(**values: str) -> dict[str, str]:
    return {
        "built": "1", "range": "28d", "steps.0.event": "m:view", "steps.1.event": "m:cart", "order": "ordered",
        "window_count": "3", "window_unit": "day", **values,
    }  # fmt: skip


def find_links(page: Any, part: str) -> list[str]:
    return [
        link.split('"')[0].replace("&amp;", "&") for link in page.text.split('href="')[1:] if part in link.split('"')[0]
    ]


@pytest.mark.usefixtures("shop")
def test_from_the_builder_to_the_people_to_a_segment(admin_client: Client, settings: Any) -> None:
    url = reverse("analytics:funnel")
    built = admin_client.get(url, make_form())
    assert built.status_code == 302
    content = json.loads(parse_qs(urlsplit(built["Location"]).query)["ask"][0])
    assert content["steps"] == [{"meaning": "view", "filters": []}, {"meaning": "cart", "filters": []}]
    first = admin_client.get(built["Location"])
    assert "The result is being computed" in first.text
    page = open_result(admin_client, built["Location"])
    assert "Of 3 people who reached “Product viewed”, 66.7% (2) got to “Product added to cart”." in page.text
    assert "computed in" in page.text
    dropped = next(link for link in find_links(page, "/people/") if "is_dropped" in link)
    people = admin_client.get(dropped)
    assert "1 person." in people.text
    assert CY in people.text
    assert "1 customer matches it now." in people.text
    saved = admin_client.post(dropped, {"name": "Viewers without cart", "kind": "dynamic"}, follow=True)
    assert "Segment saved with 1 customer." in saved.text
    assert Segment.objects.get().kind == Segment.Kind.DYNAMIC
    for selection in ('{"step":9}', '{"step":"x"}', "[]", '{"step":2,"group":{"label":5}}'):
        wrong = f"{dropped.partition('&s=')[0]}&s={quote(selection)}"
        assert admin_client.get(wrong).status_code == 400, selection
    admin_client.post(dropped, {"name": "The same, fixed", "kind": "static"})
    fixed = Segment.objects.get(kind=Segment.Kind.STATIC)
    assert (fixed.size, "as of" in fixed.description) == (1, True)
    # neither the package nor the server has to be there: both give the same error
    settings.WAREHOUSE_ENGINE, settings.CLICKHOUSE_URL = "clickhouse", "http://127.0.0.1:9/default"
    for language, text in (
        ("en", "(clickhouse) is unavailable at the moment"),
        ("zh-hans", "（clickhouse）暂时无法使用"),
    ):
        for answer in (
            admin_client.get(dropped, headers={"accept-language": language}),
            admin_client.post(dropped, {"name": "Later", "kind": "static"}, headers={"accept-language": language}),
        ):
            assert (answer.status_code, text in answer.text) == (503, True)


@pytest.mark.usefixtures("shop")
def test_rows_are_added_and_errors_are_beside_their_fields(admin_client: Client) -> None:
    url = reverse("analytics:funnel")
    more = admin_client.get(url, make_form(change="add:steps.0.filters"))
    assert 'name="steps.0.filters.0.property"' in more.text
    assert '<option value="brand">' in more.text
    values = admin_client.get(url, make_form(change="refresh", **{"steps.0.filters.0.property": "brand"}))
    assert "Acme (3)" in values.text
    fewer = admin_client.get(url, make_form(change="remove:steps.1"))
    assert 'name="steps.1.event"' not in fewer.text
    wrong = admin_client.get(url, make_form(window_count="0", **{"steps.1.event": "", "steps.0.filters.0.op": "gt"}))
    assert wrong.status_code == 422
    for text in ("Choose an event.", "Choose a property.", "Enter a value.", "Enter a whole number from 1 to 366."):
        assert text in wrong.text


def check_charts(page: Any, language: str) -> None:
    """Each chart has its table, its time, and its people or the reason why it has none."""
    shown = page.context["shown"]
    assert shown.state.error == ""
    assert shown.view is not None
    if shown.view.is_empty:
        return
    assert "<time" in page.text
    for chart in shown.view.charts:
        rows = chart.spec["table"]["rows"]
        assert rows, chart.id
        has_people = any("/people/" in cell["url"] for row in rows for cell in row)
        assert has_people or ("list of people" if language == "en" else "没有") in chart.note, chart.id


@pytest.mark.usefixtures("shop")
def test_each_question_and_ready_made_report_opens_in_both_languages(admin_client: Client) -> None:
    presets = admin_client.get(reverse("analytics:overview")).context["presets"]
    assert len(presets) == len(PRESETS)
    pages = [reverse(f"analytics:{question}") for question in QUESTION_PAGES]
    for url in [*pages, *(url for _preset, url in presets)]:
        check_charts(open_result(admin_client, url), "en")
        chinese = admin_client.get(url, headers={"accept-language": "zh-hans"})
        check_charts(chinese, "zh-hans")
        assert chinese.context["shown"].view.sentence.isascii() is False


@pytest.mark.usefixtures("shop")
def test_every_link_of_a_figure_lists_as_many_people_as_the_figure(admin_client: Client) -> None:
    page = open_result(admin_client, reverse("analytics:trends"))
    assert "Order completed: 1 in the whole period." in page.text
    assert "1 person." in admin_client.get(find_links(page, "/people/")[0]).text
    breakdown = make_form(breakdown="event:brand")
    page = open_result(admin_client, admin_client.get(reverse("analytics:funnel"), breakdown)["Location"])
    grouped = [link for link in find_links(page, "/people/") if "group" in link]
    assert ["3 people." in admin_client.get(grouped[0]).text, "2 people." in admin_client.get(grouped[1]).text] == [
        True,
        True,
    ]
    page = open_result(admin_client, reverse("analytics:paths"))
    for link in find_links(page, "/people/"):
        assert admin_client.get(link).status_code == 200
    for question in ("funnel", "sessions", "activity", "stickiness"):
        page = open_result(admin_client, reverse(f"analytics:{question}"))
        cells = [
            (cell["url"], cell["text"].split()[0])
            for chart in page.context["shown"].view.charts
            for row in chart.spec["table"]["rows"]
            for cell in row
            if cell["url"]
        ]
        for url, count in dict.fromkeys(cells[:3] + cells[-3:]):
            people = int(admin_client.get(url).context["verdict"].split()[0])
            assert people == int(count) or (question == "sessions" and 0 < people < int(count)), url


@pytest.mark.usefixtures("shop")
def test_a_saved_report_on_a_dashboard_and_as_a_file(admin_client: Client) -> None:
    content = json.dumps(QUESTION_PAGES["trends"].start)
    saved = admin_client.post(
        reverse("analytics:save-report", args=["trends"]), {"ask": content, "name": "Orders by day"}, follow=True
    )
    report = SavedReport.objects.get()
    assert "Orders by day" in saved.text
    admin_client.post(reverse("analytics:create-dashboard"), {"name": "Monday"})
    dashboard = Dashboard.objects.get()
    overview = admin_client.get(reverse("analytics:overview")).text
    assert "Choose one period for all of them, or keep the period of each report." in overview
    empty = admin_client.get(reverse("analytics:dashboard", args=[dashboard.pk])).text
    assert "Open a question under Analytics, save it as a report, and add it here." in empty
    admin_client.post(reverse("analytics:change-dashboard", args=[dashboard.pk]), {"report": report.pk})
    page = admin_client.get(reverse("analytics:dashboard", args=[dashboard.pk]), {"range": "7d"})
    assert reverse("analytics:report-card", args=[report.pk]) in page.text
    card = open_result(admin_client, reverse("analytics:report-card", args=[report.pk]) + "?range=7d")
    assert "Order completed: 1 in the whole period." in card.text
    admin_client.post(reverse("analytics:add-annotation"), {"day": str(timezone.localdate()), "text": "Sale"})
    assert Annotation.objects.get().text == "Sale"
    trends = open_result(admin_client, f"{reverse('analytics:trends')}?report={report.pk}")
    assert '"text": "Sale"' in trends.text
    file = admin_client.get(reverse("analytics:csv", args=["trends"]), {"report": report.pk})
    assert file.text.startswith("\ufeffseries,start,value"), "Excel needs the mark to read UTF-8"


@pytest.mark.usefixtures("shop")
def test_the_revenue_of_guests_is_not_credited_to_the_customers_who_bought(admin_client: Client) -> None:
    make_order(None, products=[Product.objects.get()], placed_at=timezone.now() - timedelta(days=1))
    sentence = open_result(admin_client, reverse("analytics:products")).context["shown"].view.sentence
    assert sentence.startswith("Revenue of €20. 1 known customer bought."), sentence


@pytest.mark.usefixtures("shop")
def test_nothing_is_called_zero_before_the_first_export(admin_client: Client) -> None:
    report = SavedReport.objects.create(name="Orders", question="trends", parameters=QUESTION_PAGES["trends"].start)
    dashboard = Dashboard.objects.create(name="Monday")
    dashboard.reports.add(report)
    ExportRun.objects.all().delete()
    text = "Reports use the data of the nightly export, which has not run yet."
    for name in QUESTION_PAGES:
        page = open_result(admin_client, reverse(f"analytics:{name}")).text
        assert text in page, name
        assert "Run now" in page
        assert "Nothing matches" not in page
        assert "in the whole period" not in page
        file = admin_client.get(reverse("analytics:csv", args=[name]))
        assert (file.status_code, "has not run yet" in file.text) == (409, True), name
    assert text in admin_client.get(reverse("analytics:dashboard", args=[dashboard.pk])).text
    card = open_result(admin_client, reverse("analytics:report-card", args=[report.pk])).text
    assert "No figures yet" in card
    assert "in the whole period" not in card
    for model in (Event, OrderLine, Order):
        model.objects.all().delete()
    assert text not in admin_client.get(reverse("analytics:trends")).text, "an empty shop has nothing to export"


@pytest.mark.usefixtures("shop")
def test_a_report_and_a_dashboard_are_deleted_only_after_a_question(admin_client: Client) -> None:
    report = SavedReport.objects.create(
        name='Tea "to go"', question="trends", parameters=QUESTION_PAGES["trends"].start
    )
    dashboard = Dashboard.objects.create(name="Monday")
    page = admin_client.get(reverse("analytics:dashboard", args=[dashboard.pk])).text
    assert 'hx-confirm="Delete “Monday” for everyone?"' in page
    page = admin_client.get(reverse("analytics:trends"), {"report": report.pk}).text
    assert 'hx-confirm="Delete “Tea &quot;to go&quot;” for everyone?' in page
    for url in (
        reverse("analytics:delete-dashboard", args=[dashboard.pk]),
        reverse("analytics:delete-report", args=[report.pk]),
    ):
        assert admin_client.post(url).status_code == 302
    assert not Dashboard.objects.exists()
    assert not SavedReport.objects.exists()


@pytest.mark.usefixtures("shop")
def test_a_report_is_changed_and_renamed_and_a_dashboard_too(admin_client: Client) -> None:
    content, url = make_form(), reverse("analytics:funnel")
    report = SavedReport.objects.create(name="Tea", question="funnel", parameters=QUESTION_PAGES["funnel"].start)
    SavedReport.objects.create(name="Coffee", question="funnel", parameters=QUESTION_PAGES["funnel"].start)
    change = reverse("analytics:change-report", args=[report.pk])
    opened = admin_client.get(url, {"report": report.pk})
    assert "Save changes" not in opened.text
    assert f'<input type="hidden" name="report" value="{report.pk}">' in opened.text
    built = admin_client.get(url, {**content, "report": str(report.pk)}, follow=True)
    assert built.context["report"] == report
    assert "Save changes" in built.text
    saved = admin_client.post(change, {"ask": built.context["ask"]}, follow=True)
    assert "The report was saved." in saved.text
    report.refresh_from_db()
    assert report.parameters["steps"][1]["meaning"] == "cart"
    assert admin_client.post(change, {"ask": "[]"}).status_code == 400
    taken = admin_client.post(change, {"action": "rename", "name": "Coffee"}, follow=True)
    assert "A report with this name already exists. Choose another name." in taken.text
    again = {"ask": built.context["ask"], "name": "Coffee"}
    taken = admin_client.post(reverse("analytics:save-report", args=["funnel"]), again, follow=True)
    assert "A report with this name already exists. Choose another name." in taken.text
    assert admin_client.post(change, {"action": "rename", "name": "Black tea"}).status_code == 302
    report.refresh_from_db()
    assert report.name == "Black tea"
    monday = Dashboard.objects.create(name="Monday")
    Dashboard.objects.create(name="Friday")
    rename = reverse("analytics:change-dashboard", args=[monday.pk])
    taken = admin_client.post(rename, {"action": "rename", "name": "Friday"}, follow=True)
    assert "A dashboard with this name already exists. Choose another name." in taken.text
    admin_client.post(rename, {"action": "rename", "name": "Tuesday"})
    monday.refresh_from_db()
    assert monday.name == "Tuesday"
    reader = User.objects.create_user("reader", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_analyticsresult"))
    admin_client.force_login(reader)
    assert admin_client.post(change, {"action": "rename", "name": "Mine"}).status_code == 403


@pytest.mark.usefixtures("shop")
def test_a_report_whose_segment_is_gone_says_so_and_is_not_computed(admin_client: Client) -> None:
    text = "The segment “gone” no longer exists. Choose another one."
    for change in ({"segment": "gone"}, {"breakdown": {"kind": "segment", "name": "gone"}}):
        content = QUESTION_PAGES["funnel"].start | {"window_seconds": 7 * 86_400} | change
        report = SavedReport.objects.create(name=str(change), question="funnel", parameters=content)
        page = admin_client.get(reverse("analytics:funnel"), {"report": report.pk})
        assert (page.status_code, page.text.count(text)) == (422, 1)
        assert 'name="window_count" min="1" value="7"' in page.text, "the rest of the question stays"
        assert text in admin_client.get(reverse("analytics:report-card", args=[report.pk])).text
    assert not AnalyticsResult.objects.exists()


@pytest.mark.usefixtures("shop")
def test_a_computation_is_cancelled_and_started_again(admin_client: Client) -> None:
    url = reverse("analytics:funnel")
    shown = admin_client.get(url).context["shown"]
    action = reverse("analytics:computation", args=["funnel"])
    values = {"ask": shown.query, "result": shown.state.pending_id}
    page = admin_client.post(action, {**values, "action": "cancel"}, follow=True)
    assert "The computation was canceled." in page.text
    page = admin_client.post(action, {**values, "action": "again"}, follow=True)
    assert "The result is being computed" in page.text


@pytest.mark.usefixtures("shop")
def test_an_address_that_is_not_valid_is_no_error_of_the_server(admin_client: Client) -> None:
    for query in (
        "ask=[]", "ask={", 'ask={"steps":1}', 'ask={"range":"x"}', 'ask={"since":"0001-01-01","until":"0001-01-02"}',
        'ask={"steps":[{"name":"a"},{"name":"b"}],"breakdown":{"name":"brand"}}',
        'ask={"steps":[{"name":"\\u0000"},{}]}', 'ask={"window_seconds":NaN}', "report=99999999999", "built=1&steps=1&change=add:steps.0",
        "built=1&steps.0.filters=x&steps.1.filters.0=y&range=custom&since=x",
    ):  # fmt: skip
        assert admin_client.get(f"{reverse('analytics:funnel')}?{query}").status_code in (200, 404, 422), query


@pytest.mark.parametrize(
    "condition",
    [
        {"property": "category", "op": "in", "value": ["Deli > Meat, ham", 'the "best"', "milk"]},
        {"property": "value", "op": "gte", "value": 1234567.0},
        {"property": "value", "op": "lt", "value": 0.1234567},
        {"property": "product_id", "op": "eq", "value": "8123456789012"},
    ],
)
def test_a_condition_that_is_opened_and_submitted_again_is_the_same(condition: dict[str, Any]) -> None:
    errors = FieldErrors()
    assert read_filter(draft_filter(condition), "filters.0", errors) == condition
    assert not errors


def test_series_of_the_same_event_are_named_by_what_they_count() -> None:
    event = EventMatch(meaning="purchase")
    series = [TrendSeries(event=event, measure=measure, property="value") for measure in ("events", "people", "sum")]
    assert [label_series(one) for one in series] == [
        "Order completed",
        "Order completed (people)",
        "Order completed (sum of order totals before refunds and returns)",
    ]
    checkout = TrendSeries(event=EventMatch(meaning="checkout"), measure="sum", property="value")
    assert label_series(checkout).endswith("(sum of value)")


def test_the_weekly_overview_does_not_call_order_totals_revenue(admin_client: Client) -> None:
    admin_client.post(reverse("analytics:create-weekly-dashboard"))
    dashboard = Dashboard.objects.get()
    assert dashboard.reports.count() == len(WEEKLY)
    assert not [report.name for report in dashboard.reports.all() if "revenue" in report.name.lower()]
    totals = dashboard.reports.get(name="Orders and order totals of the week")
    series = TrendSeries(event=EventMatch(meaning="purchase"), measure="sum")
    assert totals.parameters["series"][1] == {"event": {"meaning": "purchase"}, "measure": "sum", "property": "value"}
    assert "before refunds and returns" in label_series(series)


def test_a_row_of_a_form_whose_number_has_thousands_of_digits_is_not_removed() -> None:
    rows: dict[str, Any] = {"steps": [{"name": "a"}, {"name": "b"}]}
    assert change_rows(dict(rows), f"remove:steps.{'9' * 5_000}") == rows
    assert change_rows(dict(rows), "remove:steps.1") == {"steps": [{"name": "a"}]}
    assert change_rows(dict(rows), f"add:steps.{'9' * 5_000}.filters") == rows


def test_results_are_split_by_properties_with_names_but_not_by_amounts() -> None:
    names = ["brand", "value", "product_id", "$traffic_source"]
    groups = list_breakdown_options([(name, label_property(name)) for name in names], {})
    assert next(group.options for group in groups if group.label == "Event property") == [
        ("event:brand", "brand"),
        ("event:product_id", "product ID"),
        ("event:$traffic_source", "traffic source"),
    ]


@pytest.mark.usefixtures("shop")
def test_an_analyst_sees_no_personal_data(client: Client, settings: Any) -> None:
    settings.TWO_FACTOR_REQUIRED = False
    analyst = User.objects.create_user("analyst", is_staff=True)
    analyst.groups.add(Group.objects.get(name="Analyst"))
    client.force_login(analyst)
    url = reverse("analytics:funnel")
    split = open_result(client, client.get(url, make_form(breakdown="event:query"))["Location"])
    choices = client.get(url, make_form(change="refresh", **{"steps.0.filters.0.property": "query"}))
    people = client.get(next(link for link in find_links(split, "/people/") if "is_dropped" in link))
    file = client.get(reverse("analytics:csv", args=["funnel"]), {"ask": split.context["shown"].query})
    assert "ada (1)" in choices.text
    assert "1 person." in people.text
    for page in (split, choices, people, file):
        assert CY not in unquote(page.text)
    assert "as a segment" not in people.text, "an analyst makes no segments"
