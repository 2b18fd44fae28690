"""Pages of the outbox, the suppression list and the settings."""

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from recommendations.sending.models import Delivery, OutboxMessage, SendingSettings, Suppression
from recommendations.sending.queue import cancel
from tests.makers import NOON, make_customer

pytestmark = pytest.mark.django_db
SUPPRESSIONS = "/admin/campaigns/suppressions/"


def log_in(client: Client, *permissions: str) -> None:
    user = User.objects.create_user("staff", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")


def make_message() -> OutboxMessage:
    return OutboxMessage.objects.create(
        customer_id=make_customer(name="Ann").pk,
        channel="email",
        recipient="ann@shop.example",
        subject="Hello Ann",
        headers={"Precedence": "bulk"},
        html="<p>Hello Ann</p><script>alert(1)</script>",
        text="Hello Ann",
        created_at=NOON,
    )


def test_outbox_shows_the_message_in_a_frame_without_scripts(client: Client) -> None:
    log_in(client, "view_outboxmessage", "view_personal")
    message = make_message()
    assert "Hello Ann" in client.get("/admin/campaigns/outbox/").content.decode()
    page = client.get(f"/admin/campaigns/outbox/{message.pk}/").content.decode()
    assert "ann@shop.example" in page
    assert "Precedence" in page
    frame = client.get(f"/admin/campaigns/outbox/{message.pk}/html")
    assert "Hello Ann" in frame.content.decode()
    policy = frame["Content-Security-Policy"]
    assert "sandbox" in policy
    assert "allow-scripts" not in policy
    assert frame["X-Frame-Options"] == "SAMEORIGIN"


def test_outbox_hides_names_and_addresses_from_those_who_may_not_see_them(client: Client) -> None:
    log_in(client, "view_outboxmessage")
    message = make_message()
    for url in ("/admin/campaigns/outbox/", f"/admin/campaigns/outbox/{message.pk}/"):
        page = client.get(url).content.decode()
        assert "•••" in page
        assert "Ann" not in page
        assert "ann@shop.example" not in page
    assert client.get(f"/admin/campaigns/outbox/{message.pk}/html").status_code == 404


def test_addresses_are_added_found_and_removed(client: Client) -> None:
    log_in(client, "view_suppression", "add_suppression", "delete_suppression")
    refused = client.post(f"{SUPPRESSIONS}add/", {"address": "nobody"})
    assert (refused.status_code, Suppression.objects.count()) == (422, 0)
    assert "neither an email address nor a phone number" in refused.content.decode()
    client.post(f"{SUPPRESSIONS}add/", {"address": "ann@shop.example"})
    found = client.get(SUPPRESSIONS, {"q": "Ann@shop.example"}).content.decode()
    assert "Remove from the list" in found
    assert "Not on the list" in client.get(SUPPRESSIONS, {"q": "bob@shop.example"}).content.decode()
    client.post(f"{SUPPRESSIONS}{Suppression.objects.get().pk}/remove/")
    assert not Suppression.objects.exists()


def test_list_is_checked_imported_exported_and_undone(client: Client) -> None:
    log_in(client, "view_suppression", "add_suppression", "delete_suppression")

    def upload(action: str) -> str:
        file = SimpleUploadedFile("old.csv", b"email\na@shop.example\nb@shop.example\n")
        return client.post(f"{SUPPRESSIONS}import/", {"file": file, "action": action}, follow=True).content.decode()

    assert "2 addresses are new" in upload("check")
    assert not Suppression.objects.exists()
    assert "2 addresses were added." in upload("import")
    exported = client.get(f"{SUPPRESSIONS}suppressions.csv").getvalue().decode()
    assert exported.count("email,") == 2
    assert exported.startswith("\ufeffkind,")
    again = SimpleUploadedFile("suppressions.csv", exported.encode())
    checked = client.post(f"{SUPPRESSIONS}import/", {"file": again, "action": "check"}).content.decode()
    assert "0 addresses are new" in checked
    source = Suppression.objects.first()
    assert source is not None
    client.post(f"{SUPPRESSIONS}undo/", {"source": source.source})
    assert not Suppression.objects.exists()


def test_viewers_cannot_change_the_list(client: Client) -> None:
    log_in(client, "view_suppression")
    assert client.get(SUPPRESSIONS).status_code == 200
    assert client.post(f"{SUPPRESSIONS}add/", {"address": "ann@shop.example"}).status_code == 403
    assert client.post(f"{SUPPRESSIONS}undo/", {"source": "x"}).status_code == 403


def test_settings_are_saved_and_wrong_lines_are_named(client: Client) -> None:
    log_in(client, "change_sendingsettings")
    values = {
        "cap_lines": "email 3 7\nall 5 30",
        "domain_lines": "gmail.com 600",
        "quiet_from": "22:00",
        "quiet_until": "08:00",
        "global_holdout_share": "0.05",
        "warm_up_from": "",
        "warm_up_first_day": "500",
        "warm_up_growth": "1.5",
        "warm_up_days": "14",
        "soft_bounce_limit": "5",
    }
    lines = {"cap_lines": "email 3 7\nfax 1 1\nemail 0 7", "domain_lines": "gmail.com\nqq.com 5\n163.com x"}
    wrong = client.post("/admin/settings/sending/", {**values, **lines, "quiet_until": ""})
    assert wrong.status_code == 422
    page = wrong.content.decode()
    assert "Line 2: “fax 1 1” is not a cap." in page
    assert "Line 3: “email 0 7” is not a cap." in page
    assert "Line 1: “gmail.com” is not a limit." in page
    assert "Line 3: “163.com x” is not a limit." in page
    assert "Enter both the beginning and the end" in page
    equal = client.post("/admin/settings/sending/", {**values, "quiet_until": "22:00"})
    assert equal.status_code == 422
    assert "The end must differ from the beginning. Leave both empty for no quiet hours." in equal.content.decode()
    long = {**values, "domain_lines": f"gmail.com {'9' * 5_000}"}
    assert client.post("/admin/settings/sending/", long).status_code == 422
    assert client.post("/admin/settings/sending/", values).status_code == 302
    stored = SendingSettings.objects.get()
    assert stored.caps[1] == {"channel": "", "messages": 5, "days": 30}
    assert stored.domain_rates == {"gmail.com": 600}


def test_failed_message_is_shown_with_its_error_and_sent_again(client: Client) -> None:
    log_in(client, "view_delivery", "change_delivery")
    delivery = Delivery.objects.create(
        origin_kind="campaign",
        origin_id=1,
        customer_id=make_customer().pk,
        template_version_id=1,
        channel="webhook",
        status="failed",
        error="410 gone, ann@shop.example",
        due_at=NOON,
        attempts=6,
    )
    page = client.get("/admin/campaigns/outbox/not-sent/").content.decode()
    assert "410 gone" in page
    assert "ann@shop.example" not in page
    assert "Send again" in client.get(f"/admin/campaigns/outbox/not-sent/{delivery.pk}/").content.decode()
    client.post(f"/admin/campaigns/outbox/not-sent/{delivery.pk}/again/")
    delivery.refresh_from_db()
    assert (delivery.status, delivery.attempts) == ("pending", 0)
    Delivery.objects.update(status="failed")
    cancel("campaign", 1)
    page = client.post(f"/admin/campaigns/outbox/not-sent/{delivery.pk}/again/", follow=True).content.decode()
    assert "because its campaign or flow was canceled" in page
    delivery.refresh_from_db()
    assert delivery.status == "failed"
