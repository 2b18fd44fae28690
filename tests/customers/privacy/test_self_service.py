"""The page of a customer's data: a link by email, then download, correction, objection and erasure with its undo."""

import io
import json
import os
import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from smtplib import SMTPRecipientsRefused
from typing import Any
from uuid import uuid4

import pytest
from django.core import mail
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from kombu.exceptions import OperationalError

from config.backoffice.home.attention import check_privacy_requests
from config.foundation.personal_data.person import Finding, Person
from config.foundation.personal_data.stores import PersonalDataStore
from config.foundation.shop.mail import MAIL_RETRIES, compute_mail_wait
from customers.identity.models import Consent, ConsentDenial, Customer, ProcessingRestriction
from customers.privacy.export import downloads
from customers.privacy.export.encrypted_file import EncryptedWriter
from customers.privacy.export.html_report import write_section
from customers.privacy.export.people import build_person
from customers.privacy.models import (
    PrivacyExport,
    PrivacyRequest,
    PrivacyRequestEntry,
    RequestChannel,
    load_privacy_settings,
)
from customers.privacy.requests.opening import NewRequest, open_request
from customers.privacy.requests.rectification import apply_proposal
from customers.privacy.requests.workflow import cancel_request, prove_identity
from customers.privacy.self_service import limits, views
from customers.privacy.self_service.limits import MAX_PER_EMAIL
from customers.privacy.self_service.links import (
    DATA,
    AccessLink,
    InvalidAccessLinkError,
    build_confirm_url,
    build_download_url,
    build_undo_url,
    make_token,
    read_token,
)
from customers.privacy.stored_data.personal_data_stores import ExportFiles
from customers.privacy.tasks import (
    make_export,
    purge_old_exports,
    resume_exports,
    run_due_erasures,
    send_access_link,
    send_notice,
)
from tests.customers.privacy.makers import EMAIL, hold_erased_notices, read_links
from tests.makers import NOON, make_consent, make_customer, make_order

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("eager_tasks", "export_folder"),
]


@pytest.fixture
def page(mei: Customer) -> str:
    """Return the path of the page of the customer, from the email."""
    Client().post("/privacy/", {"email": EMAIL})
    [link] = read_links("data")
    mail.outbox.clear()
    return link


def press(page: str, action: str, **values: str) -> Any:
    return Client().post(page, {"action": action, **values}, follow=True)


def read_bundle(content: bytes) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(content))


def lose_task(*_args: Any, **_options: Any) -> None:
    raise OperationalError("Connection refused")


def test_the_page_says_for_every_address_that_no_mail_can_be_sent(
    mei: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(send_access_link, "apply_async", lose_task)
    answers = [Client().post("/privacy/", {"email": email}) for email in (EMAIL, "bo@shop.example")]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert answers[0].content == answers[1].content
    assert "The email cannot be sent at the moment" in answers[0].text


def test_the_answer_is_the_same_whether_an_address_is_known(mei: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WINDOW_SECONDS", 10**9)  # an hour of the clock may end meanwhile
    answers = [Client().post("/privacy/", {"email": email}) for email in (EMAIL, "bo@shop.example")]
    assert answers[0].content == answers[1].content
    assert [message.to for message in mail.outbox] == [[EMAIL], ["bo@shop.example"]]
    assert len(read_links("data")) == 1, "who is unknown gets no link"
    assert "We keep no data" in mail.outbox[1].body
    assert not answers[0].cookies
    assert "mei" not in read_links("data")[0]
    for _attempt in range(MAX_PER_EMAIL + 2):
        assert Client().post("/privacy/", {"email": EMAIL}).status_code == 200
    assert len([message for message in mail.outbox if message.to == [EMAIL]]) == MAX_PER_EMAIL
    assert Client().post("/privacy/", {"email": "not an address"}).status_code == 400


def test_a_link_shows_what_is_kept_and_opening_it_changes_nothing(mei: Customer, page: str) -> None:
    make_order(mei, placed_at=NOON)
    for language, expected in (("en", "What we keep about you"), ("zh-hans", "我们保存了您的哪些数据")):
        text = Client().get(f"{page}?language={language}").content.decode()
        assert expected in text
        assert "Mei Lin" in text
    assert not PrivacyRequest.objects.exists()
    response = Client().get(page)
    assert (response["Referrer-Policy"], response["X-Robots-Tag"]) == ("no-referrer", "noindex")
    assert "no-store" in response["Cache-Control"]


def test_damaged_old_and_foreign_links_show_nothing(mei: Customer, page: str) -> None:
    now = timezone.now()
    token = page.split("/")[3]
    old = make_token(AccessLink(purpose=DATA, language="en", issued_at=now - timedelta(days=2), email=EMAIL))
    for broken in (f"{token[:-4]}aaaa", old, "x", "é"):
        with pytest.raises(InvalidAccessLinkError):
            read_token(broken, purpose=DATA, now=now)
        assert Client().get(f"/privacy/data/{broken}/").status_code == 410
    with pytest.raises(InvalidAccessLinkError):
        read_token(token, purpose="undo", now=now)


def test_a_customer_downloads_everything_once_it_is_ready(mei: Customer, page: str, export_folder: Path) -> None:
    make_order(mei, placed_at=NOON)
    assert press(page, "export").status_code == 200
    request = PrivacyRequest.objects.get()
    assert (request.state, request.proof, request.regulation) == ("done", "email_link", "gdpr")
    [link] = read_links("download")
    [file] = export_folder.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert b"Mei Lin" not in file.read_bytes()  # three letters are in such a long text by chance
    assert Client().get(link).status_code == 200
    bundle = read_bundle(b"".join(Client().post(link)))
    assert {"data.json", "report.html"} <= set(bundle.namelist())
    content = json.loads(bundle.read("data.json"))
    assert content["format"] == "perennial.personal-data"
    assert {"kind": "user_id", "value": "mei"} in content["customer"]["identifiers"]
    report = bundle.read("report.html").decode()
    assert "<script" not in report
    assert not re.search(r"(?:src|href)=\"(?!#)", report), "the report needs no other file"
    export = PrivacyExport.objects.get()
    assert export.downloads_left == load_privacy_settings().export_downloads - 1
    PrivacyExport.objects.update(downloads_left=0)
    assert Client().post(link).status_code == 410


def test_no_file_remains_if_the_customer_is_erased_while_it_is_written(
    mei: Customer, page: str, export_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(writer: EncryptedWriter, **_arguments: object) -> int:
        writer.write(b"Mei Lin")
        store, person = ExportFiles(), build_person(mei)
        assert store.find([person]), "the erasure finds the file before it is complete"
        assert store.has_writer_since_before(timezone.now())
        Customer.objects.filter(pk=mei.pk).update(erased_at=NOON)
        assert store.erase([person]) == 1
        return 1

    monkeypatch.setattr(downloads, "write_bundle", write)
    assert press(page, "export").status_code in (200, 410)
    assert not list(export_folder.iterdir())
    assert not PrivacyExport.objects.filter(deleted_at=None).exists()
    assert not ExportFiles().has_writer_since_before(timezone.now())
    assert not read_links("download")


def test_the_report_has_the_fields_that_only_late_records_have() -> None:
    class Notes(PersonalDataStore):
        key, label = "notes", "notes"

        def erase(self, people: Sequence[Person]) -> int:
            return 0

        def find(self, person: Person) -> list[Finding]:
            return []

        def export(self, person: Person) -> Iterator[dict[str, Any]]:
            yield from ({"number": number} for number in range(60))
            yield {"number": 60, "remark": "allergic to <nuts>"}

    target = io.StringIO()
    write_section(target, Notes(), 61, Person(customer_id=1))
    assert "<th>number</th><th>remark</th>" in target.getvalue()
    assert "<td>60</td><td>allergic to &lt;nuts&gt;</td>" in target.getvalue()
    assert target.getvalue().count("<tr>") == 62


def test_files_that_a_killed_process_left_are_deleted_after_a_day(page: str, export_folder: Path) -> None:
    press(page, "export")
    [recorded] = export_folder.iterdir()
    fresh, finished, partial = (
        export_folder / name for name in ("a.zip.encrypted", "b.zip.encrypted", "c.zip.encrypted.partial")
    )
    for path in (fresh, finished, partial):
        path.write_bytes(b"x")
    two_days_ago = (timezone.now() - timedelta(days=2)).timestamp()
    for path in (recorded, finished, partial):
        os.utime(path, (two_days_ago, two_days_ago))
    assert purge_old_exports() == 2
    assert set(export_folder.iterdir()) == {recorded, fresh}


def test_objections_take_effect_at_once_and_can_be_withdrawn(mei: Customer, page: str) -> None:
    make_consent(mei, Consent.Purpose.EMAIL)
    make_consent(mei, Consent.Purpose.PERSONALISATION)
    press(page, "object_profiling")
    press(page, "object_marketing")
    latest = {consent.purpose: consent.status for consent in mei.consents.order_by("recorded_at", "pk")}
    assert {latest[purpose] for purpose in ("analytics", "personalisation", "email", "sms", "push")} == {"withdrawn"}
    assert ConsentDenial.objects.filter(value="mei").count() == 2
    assert PrivacyRequest.objects.filter(state="done").count() == 2
    assert "You have objected" in Client().get(page).content.decode()
    press(page, "allow_profiling")
    press(page, "allow_marketing")
    latest = {consent.purpose: consent.status for consent in mei.consents.order_by("recorded_at", "pk")}
    assert (latest["email"], latest["personalisation"], latest["sms"]) == ("granted", "granted", "withdrawn")
    assert not ProcessingRestriction.objects.active().exists()


def test_an_objection_does_not_deny_a_consent_that_was_given_after_it(
    admin_client: Client, mei: Customer, page: str
) -> None:
    press(page, "object_marketing")
    decisions = reverse("privacy_requests:decisions", args=[mei.pk])
    nothing, nothing_sent = "You get no advertising by email", "no advertising is sent"
    shown = Client().get(page, {"done": "object_marketing"}).content.decode()
    assert (nothing in shown, "You will get no more advertising" in shown) == (True, True)
    assert nothing_sent in admin_client.get(decisions).content.decode()
    make_consent(mei, Consent.Purpose.EMAIL, recorded_at=timezone.now())
    shown = Client().get(page, {"done": "object_marketing"}).content.decode()
    assert "You get only the advertising that you have agreed to since." in shown
    assert (nothing in shown, "You will get no more advertising" in shown) == (False, False)
    assert "only on channels that the customer has agreed to since" in admin_client.get(decisions).content.decode()
    press(page, "restrict")
    make_consent(mei, Consent.Purpose.EMAIL, recorded_at=timezone.now())
    assert nothing in Client().get(page).content.decode(), "a restriction of everything also stops what was agreed to"


def open_unproven(mei: Customer, kind: str) -> PrivacyRequest:
    """Open a request as an officer who has not checked the identity, for someone who has written from another address."""
    new = NewRequest(kind=kind, channel=RequestChannel.OFFICER, customer=mei, email="who@mail.example")
    return open_request(new, now=timezone.now())[0]


def test_the_page_proves_and_fulfills_a_request_that_waits_for_a_proof(mei: Customer, page: str) -> None:
    make_consent(mei, Consent.Purpose.EMAIL)
    objection, erasure, access = (open_unproven(mei, kind) for kind in ("object_marketing", "erasure", "access"))
    press(page, "object_marketing")
    press(page, "erase", confirmed="yes")
    press(page, "export")
    assert ProcessingRestriction.objects.active().get().scope == "marketing"
    assert mei.consents.order_by("pk").filter(purpose="email").last().status == "withdrawn"  # type: ignore[union-attr]
    for request in (objection, erasure, access):
        request.refresh_from_db()
        assert (request.proof, request.paused_at, request.email) == ("email_link", None, EMAIL)
    assert (objection.state, access.state) == ("done", "done")
    assert erasure.runs_at is not None
    assert {message.to[0] for message in mail.outbox} == {EMAIL}, "nothing goes to the address that nobody has proven"
    assert PrivacyRequest.objects.count() == 3


def test_reloading_after_a_button_presses_it_no_second_time(mei: Customer, page: str) -> None:
    answer = Client().post(page, {"action": "object_profiling"})
    assert answer.status_code == 302
    shown = page + answer["Location"]
    assert "From now on, recommendations are the same" in Client().get(shown).content.decode()
    press(page, "allow_profiling")  # in another tab
    assert "From now on, recommendations are the same" not in Client().get(shown).content.decode()
    assert PrivacyRequest.objects.count() == 1


def test_an_address_that_was_corrected_no_longer_opens_the_data(mei: Customer, page: str) -> None:
    press(page, "correct", email="mei.lin@shop.example")
    apply_proposal(PrivacyRequest.objects.get(), now=timezone.now())
    assert Client().get(page).status_code == 410, "the wrong address may be that of someone else"
    mail.outbox.clear()
    for email in (EMAIL, "mei.lin@shop.example"):
        Client().post("/privacy/", {"email": email})
    assert ["/privacy/data/" in message.body for message in mail.outbox] == [False, True]


def test_a_file_whose_task_was_lost_is_made_by_the_job(
    mei: Customer, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(make_export, "apply_async", lose_task)
        assert press(page, "export").status_code == 200
    request = PrivacyRequest.objects.get()
    assert (request.state, request.exports.count()) == ("in_progress", 0)
    assert resume_exports() == 0, "its task may still be waiting"
    request.entries.update(at=F("at") - timedelta(minutes=11))
    assert resume_exports() == 1
    request.refresh_from_db()
    assert (request.state, request.exports.count()) == ("done", 1)
    assert len(read_links("download")) == 1
    assert resume_exports() == 0


def test_a_confirmation_that_fails_proves_nothing_and_works_with_the_next_click(
    mei: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = NewRequest(
        kind="object_profiling", channel="officer", customer=mei, email=EMAIL, language="en", waits_for_email=True
    )
    request, _is_new = open_request(new, now=timezone.now())
    link = build_confirm_url(request, language="en", now=timezone.now())
    with monkeypatch.context() as patch:
        patch.setattr(views, "fulfill_request", lambda *_args, **_options: 1 / 0)
        assert Client(raise_request_exception=False).post(link).status_code == 500
    request.refresh_from_db()
    assert (request.state, request.proof) == ("waiting", "none")
    assert Client().post(link).status_code == 200
    assert ProcessingRestriction.objects.active().get().scope == "profiling"
    assert views.confirm_request(request, now=timezone.now()) == "confirmed", "a second click at the same moment"


def test_links_do_not_open_the_request_or_file_that_got_their_number_after_a_restore(
    mei: Customer, export_folder: Path
) -> None:
    now = timezone.now()
    new = NewRequest(
        kind="object_profiling", channel="officer", customer=mei, email=EMAIL, language="en", waits_for_email=True
    )
    request, _is_new = open_request(new, now=now)
    confirmation = build_confirm_url(request, language="en", now=now)
    undo = build_undo_url(request, language="en", now=now, days=3)
    export = downloads.export_customer(request=request, customer=mei, now=now)
    download = build_download_url(export, language="en", now=now)
    assert Client().get(download).status_code == 200
    old = make_token(AccessLink(purpose="download", language="en", issued_at=now, number=export.pk))
    assert Client().get(reverse("privacy:download", args=[old])).status_code == 200  # of an earlier version

    # the numbers belong to a request and a file of someone else now
    PrivacyRequest.objects.filter(pk=request.pk).update(reference=uuid4())
    PrivacyExport.objects.filter(pk=export.pk).update(file_name="other.zip.encrypted")
    assert Client().post(download).status_code == 410
    Client().post(confirmation)
    PrivacyRequest.objects.filter(pk=request.pk).update(kind="erasure")
    Client().post(undo)
    request.refresh_from_db()
    assert (request.state, request.proof) == ("waiting", "none")


def test_a_correction_waits_for_an_officer(mei: Customer, page: str) -> None:
    values = {"name": "Mei Lind", "email": EMAIL, "birthday": "17.5.1990"}
    assert press(f"{page}?step=correct", "correct", **values).status_code == 400
    assert press(page, "correct", **{**values, "birthday": "1990-05-17"}).status_code == 200
    request = PrivacyRequest.objects.get()
    assert (request.kind, request.state) == ("rectification", "received")
    mei.refresh_from_db()
    assert mei.name == "Mei Lin"
    apply_proposal(request, now=timezone.now())
    mei.refresh_from_db()
    assert (mei.name, mei.birthday, mei.email) == ("Mei Lind", "1990-05-17", EMAIL)
    request.refresh_from_db()
    assert request.state == "done"


def test_an_erasure_needs_a_second_confirmation_and_can_be_stopped(mei: Customer, page: str) -> None:
    assert press(page, "erase").status_code == 400
    assert not PrivacyRequest.objects.exists()
    assert press(page, "erase", confirmed="yes").status_code == 200
    request = PrivacyRequest.objects.get()
    assert request.runs_at is not None
    assert request.runs_at - request.received_at >= timedelta(days=2)
    assert press(page, "erase", confirmed="yes").status_code == 200, "another tab"
    assert PrivacyRequest.objects.count() == 1
    [undo] = read_links("undo")
    assert Client().get(undo).status_code == 200
    request.refresh_from_db()
    assert request.is_open, "opening the link changes nothing"
    Client().post(undo)
    request.refresh_from_db()
    assert (request.state, request.runs_at) == ("canceled", None)
    assert press(page, "erase", confirmed="yes").status_code == 400, "a link asks for an erasure once"


def test_an_erasure_whose_grace_period_is_over_erases_and_confirms_by_mail(mei: Customer, page: str) -> None:
    make_order(mei, placed_at=NOON)
    press(page, "export")
    press(page, "erase", confirmed="yes")
    assert run_due_erasures() == 0, "the grace period is not over"
    PrivacyRequest.objects.filter(kind="erasure").update(runs_at=NOON)
    mail.outbox.clear()
    with hold_erased_notices():
        assert run_due_erasures() == 1
        assert not mail.outbox
    request = PrivacyRequest.objects.get(kind="erasure")
    assert (request.state, request.customer, request.email) == ("done", None, "")
    assert request.result["records"] > 0
    assert not PrivacyExport.objects.filter(deleted_at=None).exists()
    [message] = mail.outbox
    assert (message.to, "Mei" in message.body) == ([EMAIL], False)
    assert Client().get(page).status_code == 410
    assert run_due_erasures() == 0
    text = str(list(PrivacyRequest.objects.values())) + str(list(PrivacyRequestEntry.objects.values()))
    assert "mei" not in text.lower()
    PrivacyRequest.objects.update(finished_at=timezone.now() - timedelta(days=9))
    run_due_erasures()
    steps = PrivacyRequestEntry.objects.filter(request=request, details__mail="erased").order_by("pk")
    assert list(steps.values_list("step", flat=True)) == ["started", "notified"]


class KilledError(BaseException):
    """The process ends at this point."""


@pytest.mark.parametrize("error", [OSError, KilledError])
def test_an_erasure_begins_only_if_its_mail_is_queued(
    mei: Customer, page: str, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    press(page, "erase", confirmed="yes")
    PrivacyRequest.objects.update(runs_at=NOON)
    mail.outbox.clear()

    def fail(*_arguments: Any) -> None:
        raise error

    with monkeypatch.context() as patch, suppress(KilledError):
        patch.setattr("customers.privacy.tasks.send_erased_notice.delay", fail)
        assert run_due_erasures() == 0
    mei.refresh_from_db()
    assert (mei.email, PrivacyRequest.objects.get().erasure_run_id) == (EMAIL, None)
    with hold_erased_notices():
        assert run_due_erasures() == 1
    assert [message.to for message in mail.outbox] == [[EMAIL]]


def test_a_mail_about_an_erasure_that_the_queue_has_lost_is_recorded_as_failed(mei: Customer, page: str) -> None:
    press(page, "erase", confirmed="yes")
    PrivacyRequest.objects.update(runs_at=NOON)
    with hold_erased_notices() as queue:
        assert run_due_erasures() == 1
        queue.clear()
    request = PrivacyRequest.objects.get()
    assert run_due_erasures() == 0
    failed = PrivacyRequestEntry.objects.filter(step="failed", details__mail="erased")
    assert (request.state, failed.count()) == ("done", 0), "the mail may still be on its way"
    PrivacyRequest.objects.update(finished_at=timezone.now() - timedelta(days=4))
    for _repetition in range(2):
        run_due_erasures()
        assert failed.count() == 1


def test_the_link_of_another_customer_shows_only_their_own_data(mei: Customer, page: str) -> None:
    other = make_customer("bo", name="Bo Berg")
    token = make_token(AccessLink(purpose=DATA, language="en", issued_at=timezone.now(), customer_id=other.pk))
    text = Client().get(f"/privacy/data/{token}/").content.decode()
    assert "Bo Berg" in text
    assert "Mei" not in text


def test_a_mail_that_could_not_be_sent_is_shown_and_sent_again(
    mei: Customer, admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, _is_new = open_request(NewRequest(kind="rectification", channel="officer", customer=mei), now=NOON)
    PrivacyRequest.objects.filter(pk=request.pk).update(email=EMAIL)

    def refuse(*_args: Any, **_options: Any) -> None:
        raise SMTPRecipientsRefused({EMAIL: (451, b"Greylisted")})

    assert sum(map(compute_mail_wait, range(MAIL_RETRIES))) >= 24 * 3600
    assert max(map(compute_mail_wait, range(MAIL_RETRIES))) < 3600, "the job queue gives the task to another worker"
    with monkeypatch.context() as patch:
        patch.setattr("customers.privacy.tasks.send_request_mail", refuse)
        send_notice.apply(args=[request.pk, "extended"], retries=MAIL_RETRIES)
    page = f"/admin/settings/privacy/requests/{request.pk}/"
    assert "email to the customer could not be sent" in admin_client.get(page).text
    [item] = check_privacy_requests(NOON)
    assert request.number in item.text
    mail.outbox.clear()
    assert "The email is being sent again." in admin_client.post(f"{page}act/", {"action": "resend"}, follow=True).text
    assert [message.to for message in mail.outbox] == [[EMAIL]]
    assert "Send again" not in admin_client.get(page).text
    assert not list(check_privacy_requests(NOON))


def test_the_confirmation_link_of_a_stopped_request_says_that_it_has_ended(mei: Customer) -> None:
    request, _is_new = open_request(NewRequest(kind="erasure", channel="officer", customer=mei), now=NOON)
    link = build_confirm_url(request, language="en", now=timezone.now())
    path = link[link.index("/privacy/") :]
    prove_identity(request, proof="email_link", at=NOON)
    assert "Your request is confirmed" in Client().get(path).text
    cancel_request(request, at=NOON)
    assert "This request has ended" in Client().get(path).text
