"""The ready-made mails in both languages with products, as they arrive at a mail server, judged by strict parsers."""

from typing import Any

import pytest
from django.test import Client

from config.foundation.shop.models import ShopSettings
from config.foundation.shop.profile import forget_shop
from recommendations.messaging.mjml.tree import parse_source
from recommendations.messaging.mjml.validation import validate_tree
from recommendations.messaging.starters.installation import ensure_starter_templates
from recommendations.messaging.starters.layout import build_source
from recommendations.messaging.starters.texts import STARTERS
from recommendations.messaging.versions import get_published_version
from recommendations.sending.channels.email import SMTP_BACKEND
from recommendations.sending.models import Delivery
from recommendations.sending.queue import QueuedMessage, queue_messages
from recommendations.sending.sender import send_due
from tests.makers import NOON, make_consent, make_customer, make_product, make_profile
from tests.recommendations.messaging.mail_judge import find_html_faults, find_mail_faults, read_mail
from tests.smtp_sink import SinkMail, run_smtp_sink

CASES = [(starter, language) for starter in STARTERS for language in starter.texts]


@pytest.mark.parametrize(("starter", "language"), CASES, ids=lambda value: getattr(value, "key", value))
def test_the_source_of_a_ready_made_mail_is_strict_mjml(starter: Any, language: str) -> None:
    assert validate_tree(parse_source(build_source(starter.texts[language]))) == []


def test_the_judge_finds_html_that_is_not_well_formed() -> None:
    html = '<!doctype html><html lang="en"><head><title>A</title></head><body>{}</body></html>'
    assert list(find_html_faults(html.format("<table><tr><td><p>Fine</p></td></tr></table>"))) == []
    for fault in ("<table><tr><td>", "<div>", '<a href="/x">x</a>', '<img src="https://a.example/a.svg" alt="">'):
        assert list(find_html_faults(html.format(fault))), fault


def send_ready_made_mails(settings: Any) -> list[SinkMail]:
    """Send every ready-made message in both languages, each to a customer of its own, to a real mail server."""
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = SMTP_BACKEND, "127.0.0.1"
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = settings.DEMO = False
    settings.DEFAULT_FROM_EMAIL = "shop@shop.example"
    settings.PUBLIC_URL = "https://mail.shop.example"
    settings.PRODUCT_URL = "https://shop.example/p/{product_id}?a=1&b=2"
    ShopSettings(
        name="Müller & Söhne", sender_address="shop@shop.example", postal_address="1 High Street\nLondon"
    ).save()
    forget_shop()
    image = "https://shop.example/i/kettle.jpg?a=1&b=2"
    make_product("kettle", title='Kettle "Classic" <2 l> & lid', price=20, image_url=image, category="Kitchen")
    for number in range(5):
        make_product(f"tea-{number}", title=f"绿茶 Tea No. {number} & honey", price=3, category="Food > Tea")
    event = {"name": "Product Viewed", "product": {"product_id": "kettle", "title": "Kettle & lid", "price": "19.90"}}
    event["product"] |= {"currency": "EUR", "old_price": "25.00", "category": "Kitchen", "image_url": image}
    templates = ensure_starter_templates(now=NOON)
    messages = []
    for number, (starter, language) in enumerate(CASES):
        version = get_published_version(templates[starter.key])
        assert version is not None
        customer = make_customer(
            f"u{number}", email=f"{starter.key}+{language}@shop.example", name="Ann <Lee> & 王", language=language
        )
        make_consent(customer)
        make_profile(customer, orders=3, stage="loyal")
        messages.append(
            QueuedMessage(
                origin_kind="flow",
                origin_id=number + 1,
                customer_id=customer.pk,
                template_version_id=version.pk,
                channel="email",
                due_at=NOON,
                event=event,
            )
        )
    with run_smtp_sink() as sink:
        settings.EMAIL_PORT = sink.port
        queue_messages(messages)
        send_due(now=NOON)
        return sink.mails


@pytest.mark.django_db
def test_ready_made_mails_arrive_without_faults(settings: Any, client: Client) -> None:
    mails = send_ready_made_mails(settings)
    not_sent = Delivery.objects.exclude(status="sent").values_list("status", "skip_reason", "error", "event")
    assert list(not_sent) == []
    faults = {mail.recipient: found for mail in mails if (found := find_mail_faults(mail.data))}
    assert faults == {}
    assert {mail.recipient for mail in mails} == {f"{starter.key}+{code}@shop.example" for starter, code in CASES}
    read = read_mail(next(mail.data for mail in mails if mail.recipient.startswith("price-drop+en")))
    html, text = read.get_body(("html",)), read.get_body(("plain",))
    assert html is not None
    assert text is not None
    assert "&lt;2 l&gt; &amp; lid" in html.get_content(), "the title of the catalog, not that of the event"
    assert "<2 l> & lid" in text.get_content()
    assert html.get_content().count("绿茶 Tea No.") >= 3, "products that are recommended now"
    placeholder = html.get_content().partition("https://mail.shop.example/product-image.png")[2].partition('"')[0]
    assert client.get(f"/product-image.png{placeholder.replace('&amp;', '&')}")["Content-Type"] == "image/png"
