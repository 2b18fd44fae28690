"""An operator's walk in Chromium: from the link of an alarm's email to the failed job, its error with the fix, a new run, and the end."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from config.celery import app
from config.monitoring.alarms import registry
from config.monitoring.alarms.evaluation import check_rules
from config.monitoring.alarms.notifications import send_due_notifications
from config.monitoring.alarms.registry import list_rules
from config.monitoring.alarms.rules.jobs import JOB_RULES
from config.monitoring.models import Alarm, AlarmState, AlarmSubscription
from config.schedule import sync_schedule
from tests.browser.conftest import open_monitored_page
from tests.config.access.passwords.mail_server import MailServer, run_mail_server

pytestmark = pytest.mark.acceptance
TASK = "customers.warehouse.tasks.export_warehouse"
LINK = re.compile(r"http://\S+/alarms/\d+/")
TEXTS = {
    "en": {
        "subject": "Alarm: “Export to the warehouse” failed in its last 2 runs",
        "open": "Open the job",
        "fix": "Check the free space and the permissions of its folder (WAREHOUSE_URL)",
        "again": "Run again",
        "resolved": "Resolved",
        "none": "No alarm",
    },
    "zh-hans": {
        "subject": "告警：“导出到数据仓库”最近 2 次运行均失败",
        "open": "打开任务",
        "fix": "请检查其目录（WAREHOUSE_URL）的剩余空间和权限",
        "again": "重新运行",
        "resolved": "已解决",
        "none": "没有告警",
    },
}


@pytest.fixture
def mail_server(settings: Any) -> Iterator[MailServer]:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_USE_TLS, settings.EMAIL_USE_SSL = "127.0.0.1", False, False
    with run_mail_server() as server:
        settings.EMAIL_PORT = server.port
        yield server


@pytest.fixture
def broken_folder(
    operator: User, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, live_server: LiveServer
) -> Path:
    """A warehouse whose folder is a file; two runs of the export have failed. The queue runs a task immediately."""
    list_rules()
    monkeypatch.setattr(registry, "_rules", {rule.key: rule for rule in JOB_RULES})
    sync_schedule()
    folder = tmp_path / "warehouse"
    folder.touch()
    settings.WAREHOUSE_URL, settings.PUBLIC_URL = str(folder), live_server.url

    def run_at_once(name: str, *, headers: Any, **_options: Any) -> None:
        app.tasks[name].apply(headers=headers)

    monkeypatch.setattr("config.jobs.control.app.send_task", run_at_once)
    for _run in range(2):
        run_at_once(TASK, headers={})
    return folder


def run_apart[T](act: Callable[[], T]) -> T:
    """Run something with the database in a thread of its own: this one has Playwright's event loop."""

    def act_and_close() -> T:
        try:
            return act()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as executor:
        return executor.submit(act_and_close).result()


def check() -> None:
    check_rules(now=timezone.now())
    send_due_notifications(now=timezone.now())


@pytest.mark.parametrize(("language", "width"), [("en", 1440), ("zh-hans", 390)])
def test_an_operator_repairs_a_failed_job_from_the_email_of_an_alarm(
    broken_folder: Path,
    operator: User,
    mail_server: MailServer,
    live_server: LiveServer,
    chromium: Browser,
    language: str,
    width: int,
) -> None:
    texts = TEXTS[language]
    run_apart(lambda: AlarmSubscription.objects.create(user=operator, language=language))
    run_apart(check)
    (mail,) = mail_server.messages
    assert str(mail["subject"]).endswith(texts["subject"])
    body = mail.get_body(("plain",))
    assert body is not None
    link = LINK.search(body.get_content())
    assert link is not None
    monitored = open_monitored_page(chromium, live_server.url, width=width, language=language)
    monitored.log_in(link[0].removeprefix(live_server.url))
    page = monitored.page
    expect(page.get_by_text(texts["fix"]).first).to_be_visible()
    monitored.save(f"alarm-{language}-{width}")
    assert not monitored.scrolls_sideways()
    page.get_by_role("link", name=texts["open"]).click()
    monitored.settle()
    expect(page.locator("#job-error")).to_contain_text(texts["fix"])
    monitored.save(f"alarm-job-failed-{language}-{width}")
    assert not monitored.scrolls_sideways()
    broken_folder.unlink()  # what the text says
    page.get_by_role("button", name=texts["again"]).or_(page.get_by_text(texts["again"])).first.click()
    monitored.settle()
    expect(page.locator("#job-error")).to_have_count(0)
    monitored.save(f"alarm-job-done-{language}-{width}")
    run_apart(check)
    assert run_apart(Alarm.objects.get).state == AlarmState.RESOLVED
    assert len(mail_server.messages) == 2
    monitored.open("/admin/settings/monitoring/alarms/")
    expect(page.get_by_text(texts["none"]).first).to_be_visible()
    monitored.save(f"alarms-{language}-{width}")
    assert not monitored.scrolls_sideways()
    assert not monitored.browser_errors
