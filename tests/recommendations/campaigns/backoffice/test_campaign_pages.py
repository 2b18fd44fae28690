"""The pages of campaigns: from a draft over the launch to the results and the people behind them."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core import signing
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from customers.segments.models import Segment
from recommendations.campaigns.backoffice.campaign import campaign_page
from recommendations.campaigns.backoffice.editor import wizard_page
from recommendations.campaigns.backoffice.editor.campaign_form import SIGNATURE_SALT
from recommendations.campaigns.launch import runs
from recommendations.campaigns.launch.runs import start_due_run, start_due_runs
from recommendations.campaigns.launch.transitions import cancel, launch
from recommendations.campaigns.models import Campaign, CampaignRun, CampaignSettings
from recommendations.sending.models import Delivery
from tests.config.access.callers import make_client
from tests.makers import make_segment
from tests.recommendations.campaigns.makers import make_campaign, make_reachable, make_template, update_deliveries

pytestmark = pytest.mark.django_db

MARKETER = (
    *("view_campaign", "add_campaign", "change_campaign", "view_segment", "add_segment", "view_customerprofile"),
    *("view_messagetemplate", "change_campaignsettings", "approve_campaign"),
)


def login(*permissions: str) -> Client:
    user = User.objects.create(username=f"user-{User.objects.count()}", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def marketer() -> Client:
    return login(*MARKETER)


def build_form(segment: Segment, **fields: Any) -> dict[str, Any]:
    return {
        "name": "Spring",
        "description": "",
        "segment": segment.pk,
        "required_consent": "",
        "channel": "email",
        "template": make_template().pk,
        "priority": "0",
        "kind": "once",
        "starts_at": "",
        "frequency": "weekly",
        "month_day": "1",
        "send_time": "10:00",
        "ends_on": "",
        "holdout_percent": "20",
        "goal": "order",
        "attribution_days": "7",
        "action": "save",
        **fields,
    }


def change_url(campaign: Campaign) -> str:
    return reverse("admin:campaigns_campaign_change", args=[campaign.pk])


def test_a_draft_is_saved_and_launched_and_its_page_shows_what_happens(marketer: Client) -> None:
    make_reachable(10)
    segment = make_segment("everyone")
    page = marketer.get(f"{reverse('admin:campaigns_campaign_add')}?segment={segment.pk}").content.decode()
    assert f'<option value="{segment.pk}" selected' in page
    response = marketer.post(reverse("admin:campaigns_campaign_add"), build_form(segment))
    campaign = Campaign.objects.get()
    assert (response.status_code, response.headers["Location"]) == (302, change_url(campaign))
    assert (campaign.key, campaign.status, campaign.created_by is not None) == ("spring", "draft", True)
    edited = marketer.get(reverse("admin:campaigns_campaign_edit", args=[campaign.pk])).content.decode()
    assert edited.count(f'href="{reverse("message_templates:editor", args=[campaign.template_id])}"') == 2
    assert "The links of the message have not been checked yet." in edited
    assert "Launch" in marketer.get(change_url(campaign)).content.decode()
    launched = marketer.post(reverse("admin:campaigns_campaign_do", args=[campaign.pk, "launch"]), follow=True)
    assert "The campaign is running." in launched.content.decode()
    text = marketer.get(
        reverse("admin:campaigns_campaign_progress", args=[campaign.pk]), headers={"HX-Request": "true"}
    )
    assert "of 10 customers processed" in text.content.decode()
    assert "every 2s" in text.content.decode()


def test_while_the_messages_are_prepared_the_page_says_so_and_then_loads_again(
    marketer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "MAX_CUSTOMERS_IN_REQUEST", 1)
    make_reachable(2)
    campaign = make_campaign(holdout_share=0)
    url = reverse("admin:campaigns_campaign_do", args=[campaign.pk, "launch"])
    page = marketer.post(url, follow=True).content.decode()
    assert "The campaign is scheduled." in page
    assert "The messages are being prepared." in page
    progress = reverse("admin:campaigns_campaign_progress", args=[campaign.pk])
    assert f'hx-get="{progress}?preparing=1" hx-trigger="every 2s"' in page
    waiting = marketer.get(progress, {"preparing": "1"}, headers={"HX-Request": "true"})
    assert "The messages are being prepared." in waiting.content.decode()
    assert "HX-Refresh" not in waiting.headers
    assert start_due_runs(now=timezone.now()) == 1
    assert marketer.get(progress, {"preparing": "1"}, headers={"HX-Request": "true"}).headers["HX-Refresh"] == "true"
    assert "HX-Refresh" not in marketer.get(progress, headers={"HX-Request": "true"}).headers
    page = marketer.get(change_url(campaign)).content.decode()
    assert "The messages are being prepared." not in page
    assert "0 of 2 customers processed" in page


def test_a_launch_without_a_message_names_the_field_and_keeps_the_draft(marketer: Client) -> None:
    form = build_form(make_segment("everyone"), template="", action="launch")
    response = marketer.post(reverse("admin:campaigns_campaign_add"), form, follow=True)
    campaign = Campaign.objects.get()
    edit = reverse("admin:campaigns_campaign_edit", args=[campaign.pk])
    assert (campaign.status, response.request["PATH_INFO"]) == ("draft", edit)
    page = response.content.decode()
    assert "Choose a message." in page
    assert "Saved as a draft, but not launched." in page
    assert "Not saved yet" not in page
    again = marketer.post(response.context["form_url"], form, follow=True)
    assert "Choose a message." in again.content.decode()
    fixed = marketer.post(edit, {**form, "template": make_template().pk}, follow=True)
    assert "The campaign is running." in fixed.content.decode()
    assert Campaign.objects.count() == 1


def test_while_messages_are_sent_the_page_does_not_say_that_everyone_got_them(marketer: Client) -> None:
    make_reachable(2)
    campaign = make_campaign(holdout_share=0)
    launch(campaign, by=None, now=timezone.now())
    page = marketer.get(change_url(campaign)).content.decode()
    assert "Nobody has been skipped so far." in page
    assert "Everyone in the audience got the message." not in page
    update_deliveries("status = 'sent', sent_at = now()")
    page = marketer.get(change_url(campaign)).content.decode()
    assert "Everyone in the audience got the message." in page


def test_the_results_of_several_runs_say_what_their_numbers_count(marketer: Client) -> None:
    make_reachable(10)
    campaign = make_campaign(kind="recurring", weekdays=[1, 2, 3, 4, 5, 6, 7])
    now = timezone.now()
    launch(campaign, by=None, now=now - timedelta(days=20))
    for _number in range(2):
        campaign.refresh_from_db()
        assert campaign.next_run_at is not None
        start_due_run(campaign.pk, now=campaign.next_run_at)
    assert campaign.runs.count() == 2
    update_deliveries("status = 'sent', sent_at = now(), clicked_at = now() WHERE status = 'pending'")
    page = marketer.get(change_url(campaign)).content.decode()
    assert "an order from the first run to 7 days after the latest one" in page
    assert "Messages at each step, all runs" in page
    assert "Attribution: orders after a click, not the effect of the messages" in page
    campaign.runs.filter(number=2).delete()
    assert "Messages at each step, all runs" not in marketer.get(change_url(campaign)).content.decode()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "recurring"}, "Choose at least one day of the week."),
        ({"holdout_percent": "95"}, "less than or equal to 90"),
        ({"name": ""}, "required"),
    ],
)
def test_wrong_input_is_marked_and_nothing_is_saved(marketer: Client, change: dict[str, str], message: str) -> None:
    response = marketer.post(reverse("admin:campaigns_campaign_add"), build_form(make_segment("everyone"), **change))
    assert response.status_code == 422
    assert message in response.content.decode()
    assert not Campaign.objects.exists()


def test_the_live_estimate_counts_the_form_without_saving_it(marketer: Client) -> None:
    make_reachable(8)
    excluded = make_segment("excluded", kind=Segment.Kind.STATIC)
    excluded.members.create(customer_id=10**12)
    form = build_form(make_segment("everyone"), excluded_segments=[excluded.pk], holdout_percent="0")
    text = marketer.post(
        reverse("admin:campaigns_campaign_estimate"), form, headers={"HX-Request": "true"}
    ).content.decode()
    assert "Set a holdout share" in text
    assert text.count("<td>7</td>") == 8
    assert not Campaign.objects.exists()


def test_a_page_is_shown_while_a_large_audience_is_counted(marketer: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = make_campaign(make_segment("all", {"all": []}), status=Campaign.Status.DRAFT)
    for module in (campaign_page, wizard_page):
        monkeypatch.setattr(module, "get_preview_soon", lambda **_arguments: None)
    for url in (change_url(campaign), reverse("admin:campaigns_campaign_edit", args=[campaign.pk])):
        assert "The audience is being counted." in marketer.get(url).content.decode()


def finish(campaign: Campaign) -> None:
    started = timezone.now() - timedelta(days=10)
    launch(campaign, by=None, now=started)
    update_deliveries("status = 'sent', sent_at = %s WHERE status = 'pending'", started)
    first = Delivery.objects.filter(status="sent").order_by("pk").values_list("customer_id", flat=True)[0]
    update_deliveries("opened_at = now(), clicked_at = now() WHERE customer_id = %s", first)
    CampaignRun.objects.update(status="finished")
    Campaign.objects.update(status="ended")


def test_a_new_campaign_holds_out_the_customers_that_its_review_has_counted(marketer: Client) -> None:
    page = marketer.get(reverse("admin:campaigns_campaign_add"))
    salt = page.context["form"]["signed_salt"].value()
    reviewed = signing.loads(salt, salt=SIGNATURE_SALT)
    marketer.post(reverse("admin:campaigns_campaign_add"), build_form(make_segment("everyone"), signed_salt=salt))
    assert Campaign.objects.get().salt == reviewed
    changed = build_form(make_segment("others"), template="", name="Forged", signed_salt=f"x{salt}")
    marketer.post(reverse("admin:campaigns_campaign_add"), changed)
    assert Campaign.objects.get(name="Forged").salt not in (reviewed, "")


def test_the_people_behind_a_number_are_saved_as_a_segment(marketer: Client) -> None:
    make_reachable(10)
    campaign = make_campaign()
    finish(campaign)
    page = marketer.get(change_url(campaign)).content.decode()
    people = reverse("admin:campaigns_campaign_people", args=[campaign.pk, "clicked"])
    assert people in page
    assert reverse("admin:campaigns_campaign_people", args=[campaign.pk, "skipped_holdout"]) in page
    assert "1 customer" in marketer.get(people).content.decode()
    assert marketer.post(people, {"name": "Clickers"}).status_code == 302
    segment = Segment.objects.get(key="clickers")
    assert (segment.kind, segment.members.count()) == (Segment.Kind.STATIC, 1)
    taken = marketer.post(people, {"name": "Clickers"})
    assert "already exists" in taken.content.decode()


def test_an_open_by_a_person_is_not_one_by_a_machine_only(marketer: Client) -> None:
    customers = make_reachable(3)
    campaign = make_campaign(holdout_share=0)
    launch(campaign, by=None, now=timezone.now())
    update_deliveries("status = 'sent', sent_at = now(), machine_opened_at = now()")
    update_deliveries("opened_at = now() WHERE customer_id = %s", customers[0].pk)
    figures = {figure["label"]: figure for figure in marketer.get(change_url(campaign)).context["figures"]}
    assert (figures["Opened"]["value"], figures["Opened"]["note"]) == ("1", "33.3% · and 2 by a machine only")


def test_without_delivery_reports_the_number_delivered_is_unknown(marketer: Client, settings: Any) -> None:
    make_reachable(2)
    campaign = make_campaign(holdout_share=0)
    launch(campaign, by=None, now=timezone.now())

    def read_delivered() -> tuple[str, str]:
        figures = marketer.get(change_url(campaign)).context["figures"]
        return next((figure["value"], figure["note"]) for figure in figures if figure["label"] == "Delivered")

    assert read_delivered() == ("0", "")
    update_deliveries("status = 'sent', sent_at = now()")
    assert read_delivered() == ("–", "your mail server reports no deliveries")
    settings.EMAIL_BACKEND = "anymail.backends.postmark.EmailBackend"
    settings.ANYMAIL = {"WEBHOOK_SECRET": "user:password"}
    assert read_delivered() == ("–", "no delivery has been reported")
    update_deliveries("delivered_at = now() WHERE id = (SELECT min(id) FROM sending_delivery)")
    assert read_delivered() == ("1", "50.0%")


def test_uncertain_messages_have_their_own_row_and_people(marketer: Client) -> None:
    customers = make_reachable(4)
    campaign = make_campaign(holdout_share=0)
    launch(campaign, by=None, now=timezone.now())
    update_deliveries("status = 'sent', sent_at = now()")
    update_deliveries("status = 'failed', sent_at = NULL WHERE customer_id = %s", customers[0].pk)
    update_deliveries(
        "status = 'uncertain', sent_at = NULL WHERE customer_id = ANY(%s)", [c.pk for c in customers[1:3]]
    )
    skips = {
        skip["label"]: (skip["number"], skip["url"]) for skip in marketer.get(change_url(campaign)).context["skips"]
    }
    urls = {
        group: reverse("admin:campaigns_campaign_people", args=[campaign.pk, group])
        for group in ("failed", "uncertain")
    }
    assert skips == {
        "Failed": ("1", urls["failed"]),
        "Uncertain: not known whether it was sent": ("2", urls["uncertain"]),
    }
    assert "1 customer" in marketer.get(urls["failed"]).content.decode()
    assert "2 customers" in marketer.get(urls["uncertain"]).content.decode()


def test_an_analyst_reads_results_without_buttons_and_without_user_ids_that_are_addresses() -> None:
    customers = make_reachable(10)
    customers[0].identifiers.update(value="mia@shop.example")
    campaign = make_campaign(holdout_share=0)
    finish(campaign)
    analyst = login("view_campaign", "view_customerprofile")
    page = analyst.get(change_url(campaign)).content.decode()
    assert "Effect of the messages" in page
    assert "an order within 7 days" in page
    assert "/do/" not in page
    people = analyst.get(reverse("admin:campaigns_campaign_people", args=[campaign.pk, "sent"])).content.decode()
    assert "mia@shop.example" not in people
    assert "u1" in people


def test_a_running_recurring_campaign_changes_its_schedule_but_not_its_audience(marketer: Client) -> None:
    make_reachable(4)
    campaign = make_campaign(kind="recurring", weekdays=[1], template=make_template())
    launch(campaign, by=None, now=timezone.now())
    form = build_form(
        make_segment("other"),
        kind="recurring",
        weekdays=["2", "3"],
        holdout_percent="50",
        template=campaign.template_id,
    )
    assert marketer.post(reverse("admin:campaigns_campaign_edit", args=[campaign.pk]), form).status_code == 302
    before, campaign = campaign, Campaign.objects.get()
    assert (campaign.weekdays, campaign.segment_id) == ([2, 3], before.segment_id)
    assert campaign.next_run_at is not None
    assert campaign.next_run_at.isoweekday() in (2, 3)


def test_a_second_person_approves_by_a_button(marketer: Client) -> None:
    make_reachable(3)
    assert marketer.post(reverse("admin:campaigns_settings"), {"requires_approval": "on"}).status_code == 302
    assert CampaignSettings.objects.get().requires_approval
    marketer.post(reverse("admin:campaigns_campaign_add"), build_form(make_segment("everyone"), action="launch"))
    campaign = Campaign.objects.get()
    approve = reverse("admin:campaigns_campaign_do", args=[campaign.pk, "approve"])
    assert campaign.status == "waiting_for_approval"
    assert approve not in marketer.get(change_url(campaign)).content.decode()
    second = login(*MARKETER)
    assert approve in second.get(change_url(campaign)).content.decode()
    second.post(approve)
    campaign.refresh_from_db()
    assert campaign.status == "running"


def test_a_campaign_that_a_colleague_cancels_while_it_is_edited_stays_canceled(
    marketer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_reachable(3)
    campaign = make_campaign(starts_at=timezone.now() + timedelta(hours=1))
    launch(campaign, by=None, now=timezone.now())
    find_campaign = wizard_page.get_campaign

    def find_before_canceling(campaign_id: int) -> Campaign:
        found = find_campaign(campaign_id)
        cancel(Campaign.objects.get(pk=campaign_id), now=timezone.now())
        return found

    monkeypatch.setattr(wizard_page, "get_campaign", find_before_canceling)
    url = reverse("admin:campaigns_campaign_edit", args=[campaign.pk])
    assert marketer.post(url, build_form(campaign.segment, name="Later")).status_code == 302
    campaign.refresh_from_db()
    assert (campaign.name, campaign.status, campaign.next_run_at) == ("Later", "canceled", None)


@pytest.mark.parametrize("delay_hours", [0, 1])
def test_a_campaign_that_was_canceled_before_it_reached_anyone_says_so(marketer: Client, delay_hours: int) -> None:
    make_reachable(3)
    now = timezone.now()
    campaign = make_campaign(starts_at=now + timedelta(hours=delay_hours) if delay_hours else None)
    launch(campaign, by=None, now=now)
    cancel(campaign, now=now)
    assert campaign.runs.count() == (0 if delay_hours else 1)
    text = "The campaign was canceled before a message reached anyone, so it has no results."
    page = marketer.get(reverse("admin:campaigns_campaign_change", args=[campaign.pk])).content.decode()
    assert text in page
    assert "Audience now" not in page
    assert ("The campaign had no runs." in page) == bool(delay_hours)
    results = marketer.get(reverse("admin:campaigns_results")).content.decode()
    assert ("canceled before a message reached anyone" in results) == (not delay_hours), "it lists started campaigns"
    answer = make_client("campaigns:read").get(f"/api/v1/campaigns/{campaign.key}/results/").json()
    assert (answer["headline"], answer["verdict"]) == (text, "no_runs")


def test_list_calendar_and_results_show_the_campaign(marketer: Client) -> None:
    for name in ("changelist",):
        assert "Create the first campaign" in marketer.get(reverse(f"admin:campaigns_campaign_{name}")).content.decode()
    assert "No results yet" in marketer.get(reverse("admin:campaigns_results")).content.decode()
    make_reachable(10)
    finish(make_campaign(name="Autumn"))
    planned = make_campaign(name="Winter", starts_at=timezone.now() + timedelta(hours=1))
    launch(planned, by=None, now=timezone.now())
    for url in (
        reverse("admin:campaigns_campaign_changelist"),
        reverse("admin:campaigns_results"),
        f"{reverse('admin:campaigns_calendar')}?month={timezone.localdate() - timedelta(days=10):%Y-%m}",
    ):
        assert "Autumn" in marketer.get(url).content.decode()
    for month in ("0001-01", "9999-12", "x"):
        assert marketer.get(f"{reverse('admin:campaigns_calendar')}?month={month}").status_code == 200
    month = f"{timezone.localdate(planned.next_run_at):%Y-%m}"
    assert "planned" in marketer.get(f"{reverse('admin:campaigns_calendar')}?month={month}").content.decode()


def test_in_chinese_campaigns_are_launched_with_one_word() -> None:
    texts = ("Launch", "Save and launch", "Approve and launch", "Before the launch", "Once, as soon as it is launched")
    with translation.override("zh-hans"):
        words = [translation.gettext(text) for text in texts]
    assert all("启动" in word and "发布" not in word for word in words), "发布 is the word for templates and flows"
