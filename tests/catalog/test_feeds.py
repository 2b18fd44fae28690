"""Feeds of every format and encoding, valid and broken."""

import csv
import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from catalog.feeds.feed_file import FeedError, detect_encoding
from catalog.feeds.google_xml import read_google_xml
from catalog.feeds.product_import import FeedOptions, MissingProducts, TooManyMissingError, import_feed
from catalog.feeds.row_mapping import normalize_decimal
from catalog.field_cleaning import InvalidValueError
from catalog.models import FeedImport, Product

NOW = datetime(2026, 11, 1, tzinfo=UTC)
LATER = datetime(2026, 11, 2, tzinfo=UTC)

RSS = """<?xml version="1.0"?>
<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel>
<title>The shop</title><link>https://shop.example</link><description>All of it</description>
<item>
  <title>RSS title</title><g:title>Blue kettle &amp; lid</g:title><description>Boils 水</description>
  <g:id>k-1</g:id><link>https://shop.example/k-1</link><g:image_link>https://shop.example/k-1.jpg</g:image_link>
  <g:additional_image_link>https://shop.example/k-1b.jpg</g:additional_image_link>
  <g:additional_image_link>https://shop.example/k-1c.jpg</g:additional_image_link>
  <g:price>19.90 EUR</g:price><g:sale_price>14.90 EUR</g:sale_price>
  <g:sale_price_effective_date>2026-10-30T00:00+0100/2026-11-05T00:00+0100</g:sale_price_effective_date>
  <g:availability>in stock</g:availability><g:brand>Acme</g:brand><g:gtin>4006381333931</g:gtin><g:mpn>K1</g:mpn>
  <g:condition>new</g:condition><g:color>blue</g:color><g:size>1.7 l</g:size><g:item_group_id>k</g:item_group_id>
  <g:product_type>Kitchen &gt; Kettles</g:product_type><g:product_type>Sale</g:product_type>
  <g:google_product_category>751</g:google_product_category>
  <g:shipping><g:country>DE</g:country><g:price>4.90 EUR</g:price></g:shipping>
</item>
<item>
  <g:id>k-2</g:id><title>Red kettle</title><g:price>EUR 21</g:price><g:availability>out_of_stock</g:availability>
  <g:google_product_category>Home &gt; Kitchen</g:google_product_category><g:cost_of_goods_sold>8.40 EUR</g:cost_of_goods_sold>
</item>
</channel></rss>
"""
ATOM = """<?xml version="1.0"?>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0">
<title>The shop</title><updated>2026-01-01T00:00:00Z</updated><id>tag:shop</id>
<entry><id>tag:shop,1</id><g:id>a-1</g:id><title>Atom kettle</title><link href="https://shop.example/a-1"/>
<summary>Short</summary><g:price>5.00 GBP</g:price><g:availability>preorder</g:availability></entry>
</feed>
"""


@pytest.fixture
def write(tmp_path: Path, settings: Any) -> Callable[..., Path]:
    settings.EXPORTS_DIR = tmp_path / "exports"

    def write_file(content: str | bytes, name: str = "feed.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode(encoding) if isinstance(content, str) else content)
        return path

    return write_file


def load(path: Path, *, at: datetime = NOW, dry_run: bool = False, **options: Any) -> FeedImport:
    return import_feed(path=path, options=FeedOptions(currency="EUR", **options), started_at=at, dry_run=dry_run)


def counts(record: FeedImport) -> tuple[int, int, int, int, int]:
    return record.rows, record.created, record.updated, record.unchanged, record.rejected


def read_errors(record: FeedImport) -> list[tuple[str, str, str, str]]:
    with Path(record.error_file).open(encoding="utf-8-sig", newline="") as file:
        return [(row["line"], row["field"], row["value"], row["problem"]) for row in csv.DictReader(file)]


pytestmark = pytest.mark.django_db


def test_every_field_of_a_google_rss_feed_is_imported(write: Callable[..., Path]) -> None:
    record = load(write(RSS, "feed.xml"))
    assert record.format == FeedImport.Format.GOOGLE_XML
    assert counts(record) == (2, 2, 0, 0, 0)
    kettle = Product.objects.select_related("category").get(product_id="k-1")
    assert (kettle.title, kettle.description, kettle.brand) == ("Blue kettle & lid", "Boils 水", "Acme")
    assert (kettle.price, kettle.currency, kettle.availability) == (Decimal("14.90"), "EUR", "in_stock")
    assert (kettle.url, kettle.image_url) == ("https://shop.example/k-1", "https://shop.example/k-1.jpg")
    assert kettle.category is not None
    assert kettle.category.path == "Kitchen > Kettles"
    assert kettle.attributes == {
        "additional_image_link": ["https://shop.example/k-1b.jpg", "https://shop.example/k-1c.jpg"],
        "gtin": "4006381333931",
        "mpn": "K1",
        "condition": "new",
        "color": "blue",
        "size": "1.7 l",
        "google_product_category": "751",
        "shipping": {"country": "DE", "price": "4.90 EUR"},
        "regular_price": "19.90",
    }
    assert kettle.parent_id == "k"
    red = Product.objects.select_related("category").get(product_id="k-2")
    assert red.parent_id == ""
    assert (red.price, red.availability, red.category and red.category.path) == (
        Decimal(21),
        "out_of_stock",
        "Home > Kitchen",
    )
    assert (kettle.cost, red.cost, red.attributes) == (
        None,
        Decimal("8.40"),
        {"google_product_category": "Home > Kitchen"},
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("feed.txt", "id\ttitle\titem_group_id\na\tA\tshirt\nb\tB\t\n"),
        ("feed.csv", "product_id,title,parent_id\na,A,shirt\nb,B,\n"),
        ("feed.jsonl", '{"product_id": "a", "title": "A", "parent_id": "shirt"}\n{"product_id": "b", "title": "B"}\n'),
    ],
)
def test_the_product_group_is_imported(write: Callable[..., Path], name: str, content: str) -> None:
    load(write(content, name))
    assert dict(Product.objects.values_list("product_id", "parent_id")) == {"a": "shirt", "b": ""}
    assert set(Product.objects.values_list("attributes", flat=True)[0]) == set()


def test_the_cost_is_imported_under_both_names_in_the_currency_of_the_price(write: Callable[..., Path]) -> None:
    record = load(
        write(
            'id,title,price,cost,cost of goods sold\na,A,9 EUR,4.20,\nb,B,9 EUR,,"3,10 EUR"\nc,C,9 EUR,2 USD,\nd,D,x,y,\n'
        )
    )
    assert dict(Product.objects.values_list("product_id", "cost")) == {"a": Decimal("4.20"), "b": Decimal("3.10")}
    assert record.problems == {"cost: currency_mismatch": 1, "cost: bad_price": 1, "price: bad_price": 1}


def test_prices_have_signs_of_currencies_and_full_width_digits(write: Callable[..., Path]) -> None:
    text = (
        "id,title,price,sale_price,cost,currency\na,A,¥19.90,￥9.90,5元,CNY\nb,B,￥1,,,\nc,C,２０．５０,,,\nd,D,€7,,€2,\n"
        'e,E,"$1,299.00",,,USD\nf,F,$5,,,\ng,G,3 £,,,GBP\nh,H,¥5¥,,,CNY\n'
    )
    record = load(write(text))
    assert read_errors(record) == [
        ("3", "price", "￥1", "unknown_currency"),
        ("7", "price", "$5", "unknown_currency"),
        ("9", "price", "¥5¥", "bad_price"),
    ]
    products = {
        product.product_id: (product.price, product.cost, product.currency) for product in Product.objects.all()
    }
    assert products == {
        "a": (Decimal("9.90"), Decimal(5), "CNY"),
        "c": (Decimal("20.50"), None, "EUR"),
        "d": (Decimal(7), Decimal(2), "EUR"),
        "e": (Decimal(1299), None, "USD"),
        "g": (Decimal(3), None, "GBP"),
    }


def test_a_sale_price_applies_only_during_the_sale(write: Callable[..., Path]) -> None:
    load(write(RSS, "feed.xml"), at=datetime(2026, 12, 1, tzinfo=UTC))
    kettle = Product.objects.get(product_id="k-1")
    assert kettle.price == Decimal("19.90")
    assert "regular_price" not in kettle.attributes


def test_a_sale_price_above_the_price_is_rejected_and_an_equal_one_is_no_sale(write: Callable[..., Path]) -> None:
    record = load(write("id,title,price,sale_price\na,A,20,25\nb,B,20,20\nc,C,20,15\n"))
    assert counts(record) == (3, 2, 0, 0, 1)
    assert read_errors(record) == [("2", "sale_price", "25", "not_lower")]
    products = {product.product_id: product for product in Product.objects.all()}
    assert (products["b"].price, products["b"].attributes) == (Decimal(20), {})
    assert (products["c"].price, products["c"].attributes) == (Decimal(15), {"regular_price": "20.00"})


@pytest.mark.parametrize("text", ["id,title,price,sale_price\na,A,18,\n", "id,title,price\na,A,18\n"])
def test_the_regular_price_is_removed_when_a_sale_has_ended(write: Callable[..., Path], text: str) -> None:
    load(write("id,title,price,sale_price\na,A,20,15\n"))
    Product.objects.update(attributes={"regular_price": "20.00", "color": "red"})
    load(write("id,title\na,A\n"))
    assert Product.objects.get().attributes == {"regular_price": "20.00", "color": "red"}  # no price in this file
    assert counts(load(write(text))) == (1, 0, 1, 0, 0)
    assert (Product.objects.get().price, Product.objects.get().attributes) == (Decimal(18), {"color": "red"})
    assert counts(load(write(text))) == (1, 0, 0, 1, 0)


def test_an_atom_feed_is_imported(write: Callable[..., Path]) -> None:
    load(write(ATOM, "feed.xml"))
    kettle = Product.objects.get()
    assert (kettle.product_id, kettle.title, kettle.description) == ("a-1", "Atom kettle", "Short")
    assert (kettle.url, kettle.price, kettle.currency) == ("https://shop.example/a-1", Decimal(5), "GBP")
    assert kettle.availability == "preorder"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("feed.csv", "id,Title,Price,Image Link,color\nä-1,铁壶,19.90,https://shop.example/1.jpg,红\n"),
        ("feed.csv", "id;title;price;image_link;color\nä-1;铁壶;19,90 EUR;https://shop.example/1.jpg;红\n"),
        ("feed.txt", "id\ttitle\tprice\timage_link\tcolor\nä-1\t铁壶\t19.90 EUR\thttps://shop.example/1.jpg\t红\n"),
        (
            "feed.jsonl",
            '{"product_id": "ä-1", "title": "铁壶", "price": 19.9, "image_url": "https://shop.example/1.jpg",'
            ' "attributes": {"color": "红"}}\n',
        ),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "gb18030"])
def test_every_format_and_encoding_gives_the_same_products(
    write: Callable[..., Path], name: str, content: str, encoding: str
) -> None:
    content = content.replace("ä-1", "a-1") if encoding == "gb18030" else content
    record = load(write(content, name, encoding))
    assert counts(record) == (1, 1, 0, 0, 0)
    product = Product.objects.get()
    assert product.product_id in ("ä-1", "a-1")
    assert (product.title, product.price, product.currency) == ("铁壶", Decimal("19.90"), "EUR")
    assert (product.image_url, product.attributes) == ("https://shop.example/1.jpg", {"color": "红"})


def test_western_text_in_windows_1252_is_distinguished_from_chinese(write: Callable[..., Path]) -> None:
    text = "id,title\n1,Modèle élégant “Été”\n2,Schöne Grüße – naïve façade\n"
    path = write(text, encoding="cp1252")
    assert detect_encoding(path) == "cp1252"
    load(path)
    assert Product.objects.get(product_id="1").title == "Modèle élégant “Été”"


def test_an_encoding_can_be_specified(write: Callable[..., Path]) -> None:
    load(write("id,title\n1,Žluťoučký kůň\n", encoding="cp1250"), encoding="windows-1250")
    assert Product.objects.get().title == "Žluťoučký kůň"


def test_xml_in_gbk_is_decoded_by_its_declaration(write: Callable[..., Path]) -> None:
    content = ATOM.replace('version="1.0"', 'version="1.0" encoding="GBK"').replace("Atom kettle", "电水壶")
    load(write(content, "feed.xml", "gbk"))
    assert Product.objects.get().title == "电水壶"


def test_a_second_import_changes_nothing(write: Callable[..., Path]) -> None:
    path = write(RSS, "feed.xml")
    load(path)
    before = list(Product.objects.order_by("id").values())
    record = load(path, at=LATER)
    assert counts(record) == (2, 0, 0, 2, 0)
    assert list(Product.objects.order_by("id").values()) == before


def test_every_invalid_row_is_counted_and_written_to_the_error_file(write: Callable[..., Path]) -> None:
    rows = [
        "id,title,price,availability,currency,url",
        'ok,"Two',
        'lines",1.00,in stock,EUR,',
        ",No id,1.00,,,",
        "no-title,,1.00,,,",
        "negative,T,-1.00,,,",
        "bad-price,T,=cheap(),,,",
        'ambiguous,T,"1,299",,,',
        "availability,T,1.00,perhaps,,",
        "currency,T,1.00,,EURO,",
        "price-currency,T,1.00 QQQ,,,",
        "ok,Again,1.00,,,",
        f"long,{'x' * 501},1.00,,,",
        "url,T,1.00,,,www.shop.example",
        "short,T",
        "last,Last,2.00,,,",
    ]
    record = load(write("\n".join(rows) + "\n"))
    assert counts(record) == (14, 2, 0, 0, 12)
    assert read_errors(record) == [
        ("4", "product_id", "", "required"),
        ("5", "title", "", "required"),
        ("6", "price", "-1.00", "negative"),
        ("7", "price", "'=cheap()", "bad_price"),
        ("8", "price", "1,299", "bad_price"),
        ("9", "availability", "perhaps", "unknown_availability"),
        ("10", "currency", "EURO", "unknown_currency"),
        ("11", "price", "1.00 QQQ", "unknown_currency"),
        ("12", "product_id", "ok", "duplicate"),
        ("13", "title", "x" * 200, "too_long"),
        ("14", "url", "www.shop.example", "bad_url"),
        ("15", "row", "", "unreadable"),
    ]
    assert record.problems["price: bad_price"] == 2
    assert dict(Product.objects.values_list("product_id", "title")) == {"ok": "Two\nlines", "last": "Last"}


def test_a_duplicate_id_in_another_batch_is_rejected(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.feeds.product_import.BATCH", 2)
    record = load(write("id,title\na,A\nb,B\nc,C\na,A2\n"))
    assert counts(record) == (4, 3, 0, 0, 1)
    assert Product.objects.get(product_id="a").title == "A"


def test_the_first_valid_row_of_an_id_wins(write: Callable[..., Path]) -> None:
    record = load(write("id,title,price\na,A,oops\na,A2,1\n"))
    assert counts(record) == (2, 1, 0, 0, 1)
    assert Product.objects.get().title == "A2"


def test_invalid_json_lines_are_rejected_one_by_one(write: Callable[..., Path]) -> None:
    lines = ['{"id": 1, "title": "One"}', '{"id": 2, "title"', "[1]", '{"id": 3, "title": "x", "weight": NaN}', ""]
    record = load(write("\n".join(lines), "feed.jsonl"))
    assert counts(record) == (4, 1, 0, 0, 3)
    assert [line for line, *_ in read_errors(record)] == ["2", "3", "4"]


def test_a_dry_run_counts_and_changes_nothing(write: Callable[..., Path]) -> None:
    Product.objects.create(product_id="old", title="Old")
    record = load(write("id,title\na,A\nold,Old\n,x\n"), dry_run=True)
    assert counts(record) == (3, 1, 0, 1, 1)
    assert Product.objects.count() == 1


@pytest.mark.parametrize(
    ("text", "encoding"), [(RSS, "utf-8"), ("id,title\nk-1,Wasserkocher für Tee\nk-2,Löffel\n", "windows-1252")]
)
def test_a_gzipped_file_is_imported_like_the_file_in_it(write: Callable[..., Path], text: str, encoding: str) -> None:
    record = load(write(gzip.compress(text.encode(encoding)), "feed.gz"))
    assert counts(record) == (2, 2, 0, 0, 0)
    assert counts(load(write(text, "feed", encoding=encoding))) == (2, 0, 0, 2, 0)


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (b"", "feed.csv", "is empty"),
        (b"\xef\xbb\xbf \n", "feed.csv", "is empty"),
        ("id,title\n", "feed.csv", "has no products"),
        ("name,price\nA,1\n", "feed.csv", "Missing column for product_id.*name, price"),
        ("id,price\nA,1\n", "feed.csv", "Missing column for title"),
        ("id,title,Title\nA,1,2\n", "feed.csv", "Duplicate columns: title"),
        (b"PK\x03\x04rest", "feed.xlsx", "ZIP or Excel"),
        (gzip.compress(b"PK\x03\x04rest", mtime=0), "feed.zip.gz", "ZIP or Excel"),
        (
            gzip.compress(b"id,title\na,A\n", mtime=0)[:-9],
            "feed.csv.gz",
            "feed.csv.gz is a damaged or incomplete gzip file",
        ),
        (gzip.compress(RSS.encode(), mtime=0)[:200] + b"?" * 200, "feed.xml.gz", "damaged or incomplete"),
        (b"\x00\x01\x02\x00\x00\x03" * 50, "feed.bin", "not a text file"),
        (b"id,title\n1,\x81a\xff\xff\x81\n", "feed.csv", "line 2, 0x81: the file is not UTF-8"),
        ('[{"id": 1}]', "feed.json", "JSON array"),
        (RSS.replace("</channel>", ""), "feed.xml", "at line 21"),
        (RSS.replace(' xmlns:g="http://base.google.com/ns/1.0"', ""), "feed.xml", "at line 5"),
        ("<html><body>Not found</body></html>", "feed.xml", "no <item>"),
        ('<!DOCTYPE r [<!ENTITY a "b">]>' + ATOM.partition("\n")[2], "feed.xml", "DOCTYPE"),
        ("id,title\n1," + "x" * 1_100_000, "feed.csv", "Line 2 has more than"),
    ],
)
def test_an_unreadable_file_changes_nothing_and_gives_the_reason(
    write: Callable[..., Path], content: str | bytes, name: str, message: str
) -> None:
    with pytest.raises(FeedError, match=message):
        load(write(content, name))
    record = FeedImport.objects.get()
    assert record.error
    assert record.finished_at
    assert record.rows == 0
    assert not Product.objects.exists()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match=r"nowhere\.csv cannot be opened: No such file"):
        load(tmp_path / "nowhere.csv")


def test_a_feed_that_is_broken_at_its_end_changes_nothing(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.feeds.product_import.BATCH", 1)
    with pytest.raises(FeedError):
        load(write(RSS.replace("</channel></rss>", "<item>"), "feed.xml"))
    assert not Product.objects.exists()


def test_products_missing_from_the_feed_are_deactivated_and_reactivated(write: Callable[..., Path]) -> None:
    load(write("id,title\na,A\nb,B\nc,C\n"))
    dry = load(write("id,title\na,A\nb,\n"), missing=MissingProducts.DEACTIVATE, dry_run=True)
    assert (dry.deactivated, Product.objects.active().count()) == (1, 3)
    # b is in the feed, although its row is invalid, so it stays active
    record = load(write("id,title\na,A\nb,\n"), missing=MissingProducts.DEACTIVATE)
    assert record.deactivated == 1
    assert set(Product.objects.active().values_list("product_id", flat=True)) == {"a", "b"}
    load(write("id,title\na,A\nb,B\nc,C\n"), missing=MissingProducts.DEACTIVATE)
    assert Product.objects.active().count() == 3


def test_an_import_deactivates_only_products_of_its_own_source(write: Callable[..., Path]) -> None:
    def send(source: str, ids: str, missing: MissingProducts = MissingProducts.DEACTIVATE, **options: Any) -> int:
        path = write("id,title\n" + "".join(f"{each},T\n" for each in ids))
        return load(path, source=source, missing=missing, **options).deactivated

    def list_active() -> str:
        return "".join(Product.objects.active().order_by("product_id").values_list("product_id", flat=True))

    Product.objects.create(product_id="r", title="Of the REST API")
    assert send("mugs", "abcd") == 0
    assert send("pots", "xy") == 0
    assert send("stock", "abcdxyr", MissingProducts.KEEP) == 0  # a file of stock takes no product from another source
    assert send("mugs", "abc", dry_run=True) == 1
    assert (send("mugs", "abc"), list_active()) == (1, "abcrxy")
    assert (send("pots", "xyd"), list_active()) == (0, "abcdrxy")  # d has changed its source
    assert (send("mugs", "abc"), list_active()) == (0, "abcdrxy")
    with pytest.raises(TooManyMissingError, match="2 of 3"):
        send("mugs", "a")
    assert (send("mugs", "a", force=True), list_active()) == (2, "adrxy")


def test_changes_have_the_time_of_their_batch_so_that_serving_reads_them(write: Callable[..., Path]) -> None:
    load(write("id,title\na,A\nb,B\n"))
    now = timezone.now()
    load(write("id,title\na,A2\n"), at=now - timedelta(minutes=5), missing=MissingProducts.DEACTIVATE)
    assert dict(Product.objects.values_list("title", "is_active")) == {"A2": True, "B": False}
    assert min(Product.objects.values_list("updated_at", flat=True)) >= now


def test_deactivating_more_than_half_requires_force(write: Callable[..., Path]) -> None:
    load(write("id,title\na,A\nb,B\nc,C\n"))
    path = write("id,title\na,A2\n")
    with pytest.raises(TooManyMissingError, match="2 of 3"):
        load(path, missing=MissingProducts.DEACTIVATE)
    assert Product.objects.active().count() == 3
    record = load(path, missing=MissingProducts.DEACTIVATE, force=True)
    assert (record.deactivated, Product.objects.active().count()) == (2, 1)


def test_new_products_of_a_feed_do_not_hide_that_it_lacks_the_old_ones(write: Callable[..., Path]) -> None:
    load(write("id,title\na,A\nb,B\nc,C\n"))
    path = write("id,title\nx,X\ny,Y\nz,Z\n")
    for dry_run in (True, False, False):
        with pytest.raises(TooManyMissingError, match="3 of 3"):
            load(path, missing=MissingProducts.DEACTIVATE, dry_run=dry_run)
    assert set(Product.objects.active().values_list("product_id", flat=True)) == {"a", "b", "c"}
    assert load(path, missing=MissingProducts.DEACTIVATE, force=True).deactivated == 3


@pytest.mark.parametrize(
    ("text", "number"),
    [("19.90", "19.90"), ("19,9", "19.9"), ("1,299.00", "1299.00"), ("1.299,00", "1299.00"), ("1,000,000", "1000000")],
)
def test_decimal_commas_and_grouping_are_parsed(text: str, number: str) -> None:
    assert normalize_decimal(text) == number


@pytest.mark.parametrize("text", ["1,299", "1.2.3", "12,34,56", "1,2990"])
def test_an_ambiguous_number_is_rejected(text: str) -> None:
    with pytest.raises(InvalidValueError):
        normalize_decimal(text)


def test_reading_xml_keeps_one_chunk_in_memory() -> None:
    class GeneratedFeed:
        """A feed that is generated while it is read; records how many items were read ahead of the parsed ones."""

        def __init__(self, items: int) -> None:
            self.remaining = items
            self.max_ahead = 0
            self.parsed = 0

        def read(self, size: int) -> str:
            if self.remaining < 0:
                return ""
            self.remaining -= 1
            if self.remaining < 0:
                return "</rss>"
            self.max_ahead = max(self.max_ahead, 1000 - self.remaining - self.parsed)
            return ("<rss>" if self.remaining == 999 else "") + "<item><id>1</id><title>T</title></item>"

    stream = GeneratedFeed(1000)
    for _row in read_google_xml(stream):  # type: ignore[arg-type]
        stream.parsed += 1
    assert stream.parsed == 1000
    assert stream.max_ahead <= 1


def test_the_command_reports_and_fails_clearly(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = write("\n".join(json.dumps({"id": n, "title": f"T{n}"}) for n in range(3)), "feed.jsonl")
    call_command("import_products", str(path))
    assert "3 rows: 3 created" in capsys.readouterr().out
    with pytest.raises(CommandError, match="cannot be opened"):
        call_command("import_products", str(tmp_path / "none.csv"))
    with pytest.raises(CommandError, match="Unknown currency"):
        call_command("import_products", str(path), "--currency", "XYZW")


@pytest.mark.parametrize("cut", [KeyboardInterrupt, SystemExit])
def test_repeating_an_interrupted_import_completes_it(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, cut: type[BaseException]
) -> None:
    monkeypatch.setattr("catalog.feeds.product_import.BATCH", 2)
    path = write("id,title\n" + "".join(f"{n},T{n}\n" for n in range(6)))

    def cut_off(done: int, total: int) -> None:
        if done == 4:
            raise cut

    options = FeedOptions(currency="EUR")
    record = FeedImport(file_name=path.name, started_at=NOW)
    with pytest.raises(cut):
        import_feed(path=path, options=options, started_at=NOW, progress=cut_off, record=record)
    assert Product.objects.count() == 4
    assert bool(record.error) == (cut is KeyboardInterrupt)
    import_feed(path=path, options=options, started_at=NOW, record=record)
    record.refresh_from_db()
    assert counts(record) == (6, 2, 0, 4, 0)
    assert (Product.objects.count(), record.error) == (6, "")
