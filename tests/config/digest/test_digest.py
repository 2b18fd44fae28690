"""The weekly digest: its figures, sent once through a real mail server, and ended by one click."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from catalog.models import Product
from config.digest.models import DigestDelivery, DigestStatus, DigestSubscription
from config.digest.sections.products import count_changes
from config.digest.sending import send_due_digests
from config.digest.subscribing import make_unsubscribe_url
from config.digest.weeks import find_last_week
from customers.anomalies.models import Anomaly
from tests.config.access.passwords.mail_server import MailServer, run_mail_server
from tests.makers import make_customer, make_order, make_product

MONDAY = datetime(2026, 11, 23, 7, 30, tzinfo=UTC)


@pytest.fixture
def subscriber(db: None) -> User:
    """An analyst who subscribed two weeks ago, in Chinese."""
    user = User.objects.create_user("lin", "lin@shop.example", is_staff=True)
    user.groups.add(Group.objects.get(name="Analyst"))
    DigestSubscription.objects.create(user=user, language="zh-hans", since=MONDAY - timedelta(days=14))
    return user


@pytest.fixture
def week(db: None) -> None:
    """Two orders last week, one the week before, one a year before; an anomaly."""
    ada, tea, pan = make_customer("ada@shop.example"), make_product("tea"), make_product("pan")
    for days, product, total in ((3, tea, 30), (4, tea, 30), (10, pan, 40), (3 + 364, tea, 20)):
        make_order(
            ada, products=[product], placed_at=MONDAY - timedelta(days=days), total=Decimal(total), currency="EUR"
        )
    Anomaly.objects.create(
        metric="orders", day=(MONDAY - timedelta(days=3)).date(), kind="low", value=2, expected=9, low=5, high=14,
        computed_at=MONDAY,
    )  # fmt: skip


@pytest.fixture
def mail_server(settings: Any) -> Any:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_USE_TLS, settings.EMAIL_USE_SSL = "127.0.0.1", False, False
    with run_mail_server() as server:
        settings.EMAIL_PORT = server.port
        yield server


def test_the_last_week_is_the_last_complete_one() -> None:
    week = find_last_week(as_of=MONDAY)
    assert [str(day) for day in (week.days.first, week.days.last)] == ["2026-11-16", "2026-11-22"]
    assert [str(day) for day in (week.before.first, week.year_before.first)] == ["2026-11-09", "2025-11-17"]
    assert find_last_week(as_of=MONDAY - timedelta(days=1)).days.last.isoformat() == "2026-11-15"


@pytest.mark.django_db
def test_the_largest_declines_are_net_of_returns_and_refunds() -> None:
    ada, tea, pan, jam = make_customer("ada@shop.example"), *map(make_product, ("tea", "pan", "jam"))
    sold: tuple[tuple[int, Product, dict[str, Any]], ...] = (
        (10, tea, {}), (3, tea, {}), (3, tea, {"quantity": -1, "kind": "return"}),
        (10, pan, {}), (3, pan, {"status": "refunded"}),
        (10, jam, {"status": "refunded"}), (3, jam, {"refunded": Decimal(5), "status": "partly_refunded"}),
    )  # fmt: skip
    for days, product, fields in sold:
        make_order(ada, products=[product], placed_at=MONDAY - timedelta(days=days), **fields)
    changes = count_changes(find_last_week(as_of=MONDAY), "EUR")
    assert [(row["product_id"], row["before"], row["now"]) for row in changes] == [
        (tea.pk, 10, 0), (pan.pk, 10, 0), (jam.pk, 0, 5),
    ]  # fmt: skip


@pytest.mark.usefixtures("week")
def test_it_is_sent_once_in_the_language_of_the_user(subscriber: User, mail_server: MailServer) -> None:
    assert send_due_digests(now=MONDAY) == 1
    assert send_due_digests(now=MONDAY + timedelta(hours=1)) == 0
    (mail,) = mail_server.messages
    assert mail_server.recipients == ["lin@shop.example"]
    text, html = (mail.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    for content in (text.get_content(), html.get_content()):
        assert "€60" in content
        assert "+50.0%" in content  # 40 the week before
        assert "较去年同期 3 倍" in content  # 20 a year before
        assert "11月20日周五" in content
        assert "ada@" not in content
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert DigestDelivery.objects.get().status == DigestStatus.SENT


@pytest.mark.usefixtures("week")
def test_a_killed_run_sends_nothing_twice_and_a_failed_one_is_repeated(
    subscriber: User, mail_server: MailServer, settings: Any
) -> None:
    settings.EMAIL_PORT, port = 1, settings.EMAIL_PORT  # nothing listens there
    with pytest.raises(OSError, match="refused"):
        send_due_digests(now=MONDAY)
    assert not DigestDelivery.objects.exists()
    settings.EMAIL_PORT = port
    week = find_last_week(as_of=MONDAY).days.first
    delivery = DigestDelivery.objects.create(user=subscriber, week=week, status=DigestStatus.SENDING)
    assert send_due_digests(now=MONDAY) == 0  # the mail server may have it
    delivery.status = DigestStatus.PENDING  # killed before
    delivery.save()
    assert send_due_digests(now=MONDAY) == 1
    assert len(mail_server.messages) == 1


def test_who_lost_the_permission_or_has_just_subscribed_gets_none(subscriber: User, mail_server: MailServer) -> None:
    DigestSubscription.objects.update(since=MONDAY)
    assert send_due_digests(now=MONDAY) == 0
    DigestSubscription.objects.update(since=MONDAY - timedelta(days=14))
    subscriber.groups.clear()
    assert send_due_digests(now=MONDAY) == 0
    assert not mail_server.messages


def test_one_click_ends_the_subscription(subscriber: User, client: Client) -> None:
    path = make_unsubscribe_url(subscriber.pk).removeprefix("http://127.0.0.1:8000")
    assert "Do you want" in client.get(path).text
    assert DigestSubscription.objects.get().is_active
    outside = Client(enforce_csrf_checks=True)
    assert outside.post(path, {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert not DigestSubscription.objects.get().is_active
    assert client.get(reverse("digest-unsubscribe", args=["wrong"])).status_code == 410


@pytest.mark.usefixtures("week")
def test_the_page_subscribes_and_previews(admin_client: Client) -> None:
    url = reverse("digest:digest")
    assert "You do not get the digest." in admin_client.get(url).text
    admin_client.post(url, {"language": "zh-hans"})
    assert DigestSubscription.objects.get().language == "zh-hans"
    assert "The digest every Monday" not in admin_client.get(url).text
    preview = admin_client.get(reverse("digest:preview"), {"language": "zh-hans"})
    assert "每周摘要" in preview.text
    assert "sandbox" in preview["Content-Security-Policy"]
    assert admin_client.get(reverse("digest:preview"), {"language": "xx"}).status_code == 404
    admin_client.post(url, {"action": "end"})
    assert not DigestSubscription.objects.get().is_active
