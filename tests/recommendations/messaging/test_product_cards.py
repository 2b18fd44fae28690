"""Products that are chosen when a message is opened: drawn as images, with links that lead to what was shown."""

import re
from datetime import timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from django.core import signing
from django.test import Client
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from catalog.models import Product
from recommendations.messaging.cards import fonts, pictures
from recommendations.messaging.cards.drawing import (
    HEIGHT,
    MAX_PIXELS,
    PICTURE,
    WIDTH,
    draw_card,
    read_picture,
    wrap_title,
)
from recommendations.messaging.cards.fonts import choose_font
from recommendations.messaging.cards.signed_cards import SALT
from recommendations.messaging.editor.preview import render_preview
from recommendations.sending.models import Delivery, OutboxMessage
from recommendations.sending.queue import QueuedMessage, queue_messages
from recommendations.sending.sender import send_due
from recommendations.sending.tracking.opened_products import KEPT, choose_opened_product
from tests.makers import NOON, make_consent, make_customer, make_product
from tests.recommendations.messaging.makers import get_version, make_card, make_source, make_template


@pytest.fixture
def green() -> bytes:
    output = BytesIO()
    Image.new("RGB", (90, 30), "#00ff00").save(output, "JPEG")
    return output.getvalue()


def test_a_card_shows_picture_title_and_price(green: bytes) -> None:
    cards = [
        draw_card(picture=green, title=title, price=price)
        for title, price in (("Gouda & crème", "€3.50"), ("Gouda & crème", "€4.50"), ("Brie", "€3.50"))
    ]
    assert len(set(cards)) == 3
    with Image.open(BytesIO(cards[0])) as image:
        assert (image.format, image.size) == ("PNG", (WIDTH, HEIGHT))
        drawn = image.convert("RGB")
    middle, corner = drawn.getpixel((WIDTH // 2, PICTURE // 2)), drawn.getpixel((0, 0))
    assert isinstance(middle, tuple)
    assert middle[1] > 200 > middle[0]
    assert corner == (255, 255, 255), "a wide picture keeps its shape"


def test_a_picture_with_too_many_pixels_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    output = BytesIO()
    Image.new("1", (MAX_PIXELS // 1000, 1001)).save(output, "PNG")
    with monkeypatch.context() as patch:
        patch.setattr(PngImageFile, "load", lambda *_: pytest.fail("decoded"))
        with pytest.raises(OSError, match=r"20000 × 1001 pixels"):
            read_picture(output.getvalue())
    output = BytesIO()
    Image.new("P", (PICTURE * 3, PICTURE), 0).save(output, "PNG")
    assert read_picture(output.getvalue()).size == (PICTURE, PICTURE)


def test_a_long_title_is_cut_after_two_lines_in_both_languages() -> None:
    english = choose_font("Organic tea", size=30)
    assert english is not None
    lines = wrap_title("Organic green tea from the mountains of the south, loose leaves, 250 g", english)
    assert (len(lines), lines[-1][-1]) == (2, "…")
    assert lines[0].endswith(("tea", "from", "the", "mountains"))
    chinese = choose_font("有机绿茶", size=30)
    if chinese is None:
        pytest.skip("this machine has no Chinese font")
    lines = wrap_title("南方高山有机绿茶散装茶叶二百五十克礼盒装送长辈佳品明前特级新茶", chinese)
    assert (len(lines), lines[-1][-1]) == (2, "…")


def test_a_title_that_no_font_can_show_is_left_out(green: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "CHINESE", ())
    fonts.load_fonts.cache_clear()
    assert choose_font("绿茶", size=29) is None
    assert draw_card(picture=green, title="绿茶", price="¥3") == draw_card(picture=green, title="", price="¥3")
    fonts.load_fonts.cache_clear()


def test_a_picture_that_cannot_be_loaded_is_replaced(monkeypatch: pytest.MonkeyPatch, valkey: Any) -> None:
    monkeypatch.setattr(pictures, "download_file", lambda **options: options["path"].write_bytes(b"no image"))
    broken = pictures.draw_product(make_card(1), language="en")
    assert broken == pictures.draw_product(make_card(1, image_url=""), language="en")
    private = make_card(1, image_url="https://127.0.0.1/a.jpg")
    monkeypatch.undo()
    assert pictures.draw_product(private, language="en") == broken


@pytest.fixture
def sent(valkey: Any, settings: Any) -> Delivery:
    settings.PRODUCT_URL = "https://shop.example/p/{product_id}"
    for name in ("kettle", "cup", "lamp"):
        make_product(name, title=name.title())
    customer = make_customer("u1", email="ann@shop.example", language="en")
    make_consent(customer)
    row = '<mj-products placement="popular" n="2" choose="open" button="View"/>'
    queue_messages(
        [
            QueuedMessage(
                origin_kind="flow",
                origin_id=1,
                customer_id=customer.pk,
                template_version_id=get_version(make_template(make_source("", sections=row))).pk,
                channel="email",
                due_at=NOON,
            )
        ]
    )
    send_due(now=NOON)
    return Delivery.objects.get()


def find_paths(page: str) -> list[str]:
    html = OutboxMessage.objects.get().html
    return list(dict.fromkeys(re.findall(rf"http://[^/]+(/m/{page}/[^\"]+)", html)))


@pytest.mark.django_db
def test_the_click_leads_to_the_product_that_the_image_showed(sent: Delivery, client: Client) -> None:
    images, links = find_paths("i"), find_paths("r")
    assert (len(images), len(links)) == (2, 2)
    Product.objects.filter(product_id__in=[card["product_id"] for card in sent.choices["products"]["row-1"]]).delete()
    response = client.get(images[0])
    assert response["Content-Type"] == "image/png"
    sent.refresh_from_db()
    [shown, *_others] = sent.choices["opened"]["row-1"]["products"]
    assert client.get(links[0])["Location"] == (
        f"https://shop.example/p/{shown['product_id']}?utm_source=perennial&utm_medium=email&utm_campaign=news"
        f"&utm_content=row-1%3A{shown['product_id']}"
    )
    assert client.get(f"{links[0][:-4]}AAAA").status_code == 404
    assert 429 in {client.get(images[0]).status_code for _time in range(62)}


@pytest.mark.django_db
def test_a_preview_shows_the_image_that_the_recipient_gets(valkey: Any, client: Client) -> None:
    for name in ("kettle", "cup"):  # one of them is the product that triggered the message
        make_product(name, title="Kettle", price=20)
    row = '<mj-products placement="popular" n="1" choose="{0}"/>'
    pages = {}
    for choose in ("open", "send"):
        template = make_template(make_source("", sections=row.format(choose)), key=f"t-{choose}")
        pages[choose] = render_preview(
            template=template,
            content=get_version(template).contents.get(),
            customer=None,
            now=NOON,
            base_url="http://localhost",
            with_personal=True,
        ).html
    assert ("/m/card/" in pages["open"], "/m/card/" in pages["send"]) == (True, False)
    [path] = re.findall(r"http://localhost(/m/card/[^\"]+)", pages["open"])
    product_id, *details = signing.loads(path.rsplit("/", 1)[1], salt=SALT)
    assert product_id in ("kettle", "cup")
    assert details == ["Kettle", "20.00", "EUR", "", "", "en"]
    response = client.get(path)
    card = make_card(1, title="Kettle", price=Decimal("20.00"), image_url="", category="")
    assert (response["Content-Type"], response.content) == ("image/png", pictures.draw_product(card, language="en"))
    assert client.get(f"{path[:-4]}AAAA").status_code == 404


@pytest.mark.django_db
def test_a_choice_is_kept_for_some_minutes_and_the_sent_one_is_the_fallback(sent: Delivery) -> None:
    first = choose_opened_product(sent.pk, "row-1:0", now=NOON)
    assert first is not None
    Product.objects.filter(product_id=first.card.product_id).update(is_active=False)
    assert choose_opened_product(sent.pk, "row-1:0", now=NOON + KEPT / 2) == first
    Delivery.objects.update(template_version_id=0)
    again = choose_opened_product(sent.pk, "row-1:0", now=NOON + KEPT + timedelta(seconds=1))
    assert again == first, "without the template, the last choice stays"
