"""A customer asks for their data and erases themself by the link of a mail; a privacy officer works a request. Both languages, no script."""

import io
import re
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.db import close_old_connections
from django.utils import timezone
from playwright.sync_api import Browser
from pytest_django.live_server_helper import LiveServer

from config.celery import app
from tests.browser.conftest import MonitoredPage, open_monitored_page
from tests.smtp_sink import SmtpSink, run_smtp_sink

if TYPE_CHECKING:
    from customers.identity.models import Customer

pytestmark = pytest.mark.acceptance
WIDTHS = (1440, 390)
EMAIL = "mei@shop.example"
BUTTONS = {
    "en": {"link": "Send me the link", "file": "Prepare my file", "object": "Object to profiling"},
    "zh-hans": {"link": "发送链接", "file": "准备我的文件", "object": "拒绝用户画像"},
}


@pytest.fixture
def eager_tasks() -> Iterator[None]:
    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = False


@pytest.fixture
def sink(settings: Any, live_server: LiveServer, tmp_path: Path) -> Iterator[SmtpSink]:
    with run_smtp_sink() as running:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", running.port
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
        settings.PUBLIC_URL = live_server.url
        settings.EXPORTS_DIR = tmp_path
        yield running


@pytest.fixture
def site(operator: object) -> "Customer":
    from tests.customers.privacy.makers import make_mei
    from tests.makers import make_consent, make_order, make_profile

    mei = make_mei()
    make_consent(mei)
    make_order(mei, placed_at=timezone.now() - timedelta(days=5))
    make_profile(mei, computed_at=timezone.now(), orders=1)
    return mei


def read_link(sink: SmtpSink, path: str) -> str:
    """Return the path of the link in the last mail that has one."""
    for mail in reversed(sink.mails):
        body = message_from_bytes(mail.data, policy=policy.default).get_content()
        if found := re.search(rf"http://[^/]+(/privacy/{path}/\S+)", body):
            return found[1]
    raise AssertionError(f"No mail has a link to {path}.")


def check_page(monitored: MonitoredPage, name: str) -> None:
    """Take pictures on a desk and on a phone, where the page must not scroll sideways."""
    for width in WIDTHS:
        monitored.resize(width)
        monitored.save(f"privacy-{name}-{width}")
        assert not monitored.scrolls_sideways(), (name, width)
    monitored.resize(1440)
    assert monitored.browser_errors == [], name


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_a_customer_gets_their_data_and_erases_themself(
    live_server: LiveServer,
    eager_tasks: None,
    sink: SmtpSink,
    site: "Customer",
    chromium: Browser,
    language: str,
    tmp_path: Path,
) -> None:
    monitored = open_monitored_page(chromium, live_server.url, width=1440, language=language)
    page, texts = monitored.page, BUTTONS[language]
    monitored.open("/privacy/")
    check_page(monitored, f"start-{language}")
    page.fill("input[name=email]", EMAIL)
    page.get_by_role("button", name=texts["link"]).click()
    monitored.settle()
    check_page(monitored, f"sent-{language}")
    data = read_link(sink, "data")
    monitored.open(data)
    check_page(monitored, f"data-{language}")
    page.get_by_role("button", name=texts["object"]).click()
    monitored.settle()
    page.get_by_role("button", name=texts["file"]).click()
    monitored.settle()
    check_page(monitored, f"asked-{language}")
    monitored.open(read_link(sink, "download"))
    check_page(monitored, f"download-{language}")
    with page.expect_download() as waiting:
        page.click("button")
    bundle = zipfile.ZipFile(io.BytesIO(Path(waiting.value.path()).read_bytes()))
    report = tmp_path / "report.html"
    report.write_bytes(bundle.read("report.html"))
    opened = open_monitored_page(chromium, report.as_uri(), width=1440, language=language)
    opened.page.goto(report.as_uri())
    check_page(opened, f"report-{language}")
    assert "Mei Lin" in opened.page.inner_text("body")
    monitored.open(f"{data}?step=erase&language={language}")
    check_page(monitored, f"erase-{language}")
    page.check("input[name=confirmed]")
    page.click("button[value=erase]")
    monitored.settle()
    check_page(monitored, f"scheduled-{language}")
    erase_now(sink)
    monitored.open("/privacy/")
    page.fill("input[name=email]", EMAIL)
    page.get_by_role("button", name=texts["link"]).click()
    monitored.settle()
    assert [mail.recipient for mail in sink.mails][-1] == EMAIL
    with pytest.raises(AssertionError):
        read_link(SmtpSink(mails=sink.mails[-1:]), "data")


def erase_now(sink: SmtpSink) -> None:
    """Let the grace period be over, and run the erasure in a thread of its own, as a worker would."""
    from concurrent.futures import ThreadPoolExecutor

    def work() -> None:
        from customers.identity.models import Customer
        from customers.privacy.models import PrivacyRequest
        from customers.privacy.tasks import run_due_erasures
        from tests.customers.privacy.makers import hold_erased_notices

        try:
            PrivacyRequest.objects.filter(kind="erasure").update(runs_at=timezone.now() - timedelta(minutes=1))
            with hold_erased_notices():
                run_due_erasures()
            request = PrivacyRequest.objects.get(kind="erasure")
            assert (request.state, request.email, request.customer_id) == ("done", "", None)
            assert not any(customer.name or customer.email for customer in Customer.objects.all())
        finally:
            close_old_connections()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()
    last = message_from_bytes(sink.mails[-1].data, policy=policy.default)
    assert "Mei" not in last.get_content()


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_a_privacy_officer_works_a_request(
    live_server: LiveServer, eager_tasks: None, sink: SmtpSink, site: "Customer", chromium: Browser, language: str
) -> None:
    number = site.pk
    monitored = open_monitored_page(chromium, live_server.url, width=1440, language=language)
    page = monitored.page
    monitored.log_in("/admin/settings/privacy/requests/")
    check_page(monitored, f"empty-{language}")
    monitored.open(f"/admin/settings/privacy/requests/new/?kind=erasure&customer=%23{number}")
    page.select_option("select[name=proof]", "document")
    check_page(monitored, f"new-{language}")
    page.locator("#page form button").last.click() if page.locator("#page form button").count() else page.click(
        "main form button"
    )
    monitored.settle()
    check_page(monitored, f"request-{language}")
    monitored.open(f"{page.url.removeprefix(live_server.url)}?dry_run=1")
    assert page.locator("#preview tbody tr").count() >= 3
    check_page(monitored, f"dry-run-{language}")
    page.click("button[value=cancel]")
    monitored.settle()
    page.click("button[value=reopen]")
    monitored.settle()
    monitored.open("/admin/settings/privacy/requests/")
    check_page(monitored, f"list-{language}")
    monitored.open(f"/admin/settings/privacy/requests/decisions/{number}/")
    check_page(monitored, f"decisions-{language}")
    monitored.open("/admin/settings/privacy/requests/settings/")
    check_page(monitored, f"settings-{language}")
