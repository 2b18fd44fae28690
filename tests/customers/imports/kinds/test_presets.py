"""Exports of shop systems go through the wizard without a change of the proposed columns."""

import csv
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from catalog.backoffice.resources import ProductResource
from catalog.feeds.column_translations import load_translations
from catalog.feeds.presets.woocommerce import WOOCOMMERCE
from catalog.models import Product
from customers.identity.models import Consent, Customer, Identifier
from customers.imports.models import ImportRun
from customers.orders.models import Order
from tests.customers.imports import exports
from tests.customers.imports.wizard_pages import Upload, post

pytestmark = pytest.mark.django_db


def run_import(boss: Client, upload: Upload, kind: str, text: str | bytes, *, source: str = "shop") -> ImportRun:
    run = upload(kind, text, source=source)
    assert (run.state, run.problems) == ("checked", {}), run.error
    counts = (run.created, run.updated, run.unchanged)
    run = post(boss, "start", run)
    assert (run.state, run.created, run.updated, run.unchanged) == ("imported", *counts), run.error
    return run


def read_product(product_id: str) -> Product:
    return Product.objects.select_related("category").get(product_id=product_id)


def read_catalog() -> list[Any]:
    names = (
        "product_id",
        "title",
        "description",
        "category__path",
        "brand",
        "price",
        "availability",
        "stock",
        "parent_id",
    )
    return list(Product.objects.order_by("product_id").values(*names, "image_url", "tags", "attributes", "is_active"))


def test_shopify_products_with_variants(boss: Client, upload: Upload) -> None:
    run = run_import(boss, upload, "products", exports.SHOPIFY_PRODUCTS)
    assert (run.preset, run.rows, run.created) == ("shopify", 3, 3)
    shirt = read_product("1001")
    assert shirt.title == "Linen Shirt - S / White"
    assert shirt.description == "Cool & light.\n100% linen"
    assert shirt.parent_id == "linen-shirt"
    assert shirt.category is not None
    assert shirt.category.path == "Apparel & Accessories > Clothing > Shirts"
    assert (shirt.price, shirt.cost, shirt.currency, shirt.stock) == (Decimal("39.90"), Decimal("12.50"), "EUR", 7)
    assert shirt.attributes == {"Size": "S", "Color": "White", "regular_price": "49.90"}
    assert shirt.tags == ["summer", "linen"]
    medium = read_product("LS-M")
    assert (medium.title, medium.brand, medium.availability) == ("Linen Shirt - M / White", "Northwind", "out_of_stock")
    assert medium.image_url == "https://cdn.shop.example/shirt-m.jpg"
    assert read_product("Gift Box").is_active is False


def test_shopify_orders_find_the_products_and_customers_of_the_other_exports(boss: Client, upload: Upload) -> None:
    run_import(boss, upload, "products", exports.SHOPIFY_PRODUCTS)
    run_import(boss, upload, "customers", exports.SHOPIFY_CUSTOMERS)
    run = run_import(boss, upload, "orders", exports.SHOPIFY_ORDERS)
    assert (run.preset, run.rows, run.created) == ("shopify", 2, 1)
    order = Order.objects.get(order_id="#1001")
    assert (order.total, order.shipping) == (Decimal("49.80"), Decimal("4.90"))
    assert sorted(order.lines.values_list("product__product_id", flat=True)) == ["1001", "Gift Box"]
    assert order.customer is not None
    assert order.customer.name == "Ada Lovelace"
    assert Product.objects.count() == 3


def test_shopify_customers_with_consents(boss: Client, upload: Upload) -> None:
    run = run_import(boss, upload, "customers", exports.SHOPIFY_CUSTOMERS)
    assert (run.preset, run.created, run.counts) == ("shopify", 2, {"consents": 1})
    ada = Customer.objects.get(identifiers__value="7210448301122")
    assert (ada.name, ada.email, ada.country, ada.phone) == (
        "Ada Lovelace",
        "ada@example.com",
        "GB",
        "+44 20 7946 0958",
    )
    assert ada.traits == {"tags": ["vip", "wholesale"]}
    consent = Consent.objects.get()
    assert (consent.customer, consent.purpose, consent.status, consent.source) == (ada, "email", "granted", "shop")


def test_customers_import_is_undone_with_its_consents(boss: Client, upload: Upload) -> None:
    run = run_import(boss, upload, "customers", exports.SHOPIFY_CUSTOMERS)
    assert post(boss, "undo", run).state == "undone"
    assert not Customer.objects.exists()
    assert not Identifier.objects.exists()
    assert not Consent.objects.exists()


def test_woocommerce_products_with_variations(boss: Client, upload: Upload) -> None:
    run = run_import(boss, upload, "products", exports.WOOCOMMERCE_PRODUCTS)
    assert (run.preset, run.rows, run.created) == ("woocommerce", 3, 3)
    blue = read_product("hoodie-blue")
    assert (blue.title, blue.parent_id, blue.brand) == ("Hoodie - Blue", "hoodie", "Woo")
    assert (blue.price, blue.attributes) == (Decimal("35.00"), {"Color": "Blue", "regular_price": "42.00"})
    assert blue.category is not None
    assert blue.category.path == "Clothing > Hoodies"
    assert (blue.image_url, blue.tags, blue.stock) == ("https://woo.example/hoodie.jpg", ["warm", "winter"], 3)
    green = read_product("46")
    assert (green.image_url, green.availability) == ("https://woo.example/hoodie-green.jpg", "out_of_stock")
    course = read_product("course")
    assert (course.price, course.is_active, course.availability) == (Decimal("99.00"), False, "backorder")
    assert course.category is not None
    assert course.category.path == "Courses, online"


def test_woocommerce_customers_complete_those_of_the_orders(boss: Client, upload: Upload) -> None:
    run_import(boss, upload, "products", exports.WOOCOMMERCE_PRODUCTS)
    orders = run_import(boss, upload, "orders", exports.WOOCOMMERCE_ORDERS)
    assert (orders.preset, orders.created) == ("woocommerce", 1)
    customers = run_import(boss, upload, "customers", exports.WOOCOMMERCE_CUSTOMERS)
    assert (customers.preset, customers.created, customers.updated) == ("woocommerce", 0, 1)
    eve = Customer.objects.get()
    assert (eve.name, eve.country, eve.orders.count()) == ("Eve Moneypenny", "GB", 1)
    assert Order.objects.get().lines.get().product.product_id == "hoodie-blue"


@pytest.mark.parametrize(
    ("customers", "orders"),
    [
        (exports.WOOCOMMERCE_CUSTOMERS, exports.WOOCOMMERCE_ORDERS),  # only the orders have IDs
        (exports.SHOPIFY_CUSTOMERS, exports.SHOPIFY_ORDERS),  # only the customers have IDs
    ],
)
@pytest.mark.parametrize("is_customers_first", [True, False])
def test_orders_and_customers_find_each_other_in_any_order(
    boss: Client, upload: Upload, customers: str, orders: str, is_customers_first: bool
) -> None:
    files = [("customers", customers), ("orders", orders)]
    for kind, text in files if is_customers_first else reversed(files):
        assert run_import(boss, upload, kind, text).rejected == 0
    buyers = Customer.objects.filter(orders__isnull=False).distinct()
    assert all(buyer.name for buyer in buyers)
    kinds = {kind for buyer in buyers for kind in buyer.identifiers.values_list("kind", flat=True)}
    assert {"user_id", "email_hash"} <= kinds


def test_magento_products_with_configurable_ones(boss: Client, upload: Upload) -> None:
    run = run_import(boss, upload, "products", exports.MAGENTO_PRODUCTS)
    assert (run.preset, run.rows, run.created) == ("magento", 2, 2)
    hoodie = read_product("MH01-XS-Black")
    assert (hoodie.title, hoodie.parent_id, hoodie.brand) == ("Chaz Hoodie-XS-Black", "MH01", "Chaz, Inc.")
    assert hoodie.category is not None
    assert hoodie.category.path == "Men > Tops > Hoodies"
    assert (hoodie.price, hoodie.description) == (Decimal("40.00"), "Ideal for cold days.")
    assert hoodie.attributes == {"color": "Black", "size": "XS", "regular_price": "52.00"}
    bag = read_product("24-MB01")
    assert (bag.is_active, bag.availability) == (False, "out_of_stock")
    assert bag.image_url == "https://magento.example/media/mb01.jpg"


@pytest.mark.parametrize("birthday", ["1973年8月16日", "1973年08月16日", "1973/8/16", "16.8.1973"])
def test_birthdays_are_read_in_the_formats_of_the_columns_page(boss: Client, upload: Upload, birthday: str) -> None:
    run = run_import(boss, upload, "customers", f"客户编号,生日\nada,{birthday}\n")
    assert (run.created, run.rejected) == (1, 0)
    assert Customer.objects.get().birthday == "1973-08-16"


def test_magento_customers_without_their_secrets(boss: Client, upload: Upload) -> None:
    run = run_import(boss, upload, "customers", exports.MAGENTO_CUSTOMERS)
    assert (run.preset, run.rows, run.created) == ("magento", 1, 1)
    roni = Customer.objects.get()
    assert (roni.name, roni.birthday, roni.country) == ("Veronica Costello", "1973-12-15", "US")
    assert roni.traits == {}


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("products", exports.SHOPIFY_PRODUCTS),
        ("products", exports.WOOCOMMERCE_PRODUCTS),
        ("products", exports.MAGENTO_PRODUCTS),
        ("customers", exports.SHOPIFY_CUSTOMERS),
        ("customers", exports.WOOCOMMERCE_CUSTOMERS),
        ("customers", exports.MAGENTO_CUSTOMERS),
        ("orders", exports.SHOPIFY_ORDERS),
        ("orders", exports.WOOCOMMERCE_ORDERS),
    ],
)
def test_second_import_of_an_export_changes_nothing(boss: Client, upload: Upload, kind: str, text: str) -> None:
    created = run_import(boss, upload, kind, text).created
    again = run_import(boss, upload, kind, text)
    assert (again.created, again.updated, again.unchanged) == (0, 0, created)


def translate_header(text: str, table: Mapping[str, str]) -> str:
    """Return a CSV file with its header in another language; a translation that occurs twice is used once."""
    header, _break, rows = text.partition("\n")
    names = {english: column for column, english in reversed(table.items())}
    cells = next(csv.reader([header]))
    return ",".join(f'"{names.get(cell, cell)}"' for cell in cells) + "\n" + rows


@pytest.mark.parametrize("language", sorted(WOOCOMMERCE.translations))
def test_woocommerce_exports_in_other_languages_equal_the_english_one(
    boss: Client, upload: Upload, language: str
) -> None:
    run_import(boss, upload, "products", exports.WOOCOMMERCE_PRODUCTS)
    before = read_catalog()
    Product.objects.all().delete()
    text = translate_header(exports.WOOCOMMERCE_PRODUCTS, WOOCOMMERCE.translations[language])
    run = run_import(boss, upload, "products", text, source=f"shop-{language}")
    assert run.preset == "woocommerce"
    assert read_catalog() == before


@pytest.mark.parametrize(
    "language", sorted(load_translations("customers.identity.imports.presets", "woocommerce_columns"))
)
def test_woocommerce_customers_report_in_other_languages(boss: Client, upload: Upload, language: str) -> None:
    table = load_translations("customers.identity.imports.presets", "woocommerce_columns")[language]
    text = translate_header(exports.WOOCOMMERCE_CUSTOMERS, table)
    run = run_import(boss, upload, "customers", text, source=f"shop-{language}")
    assert run.preset == "woocommerce"
    customer = Customer.objects.get()
    assert (customer.name, customer.country) == ("Eve Moneypenny", "GB")


ORDERS_BY_LANGUAGE = {
    "de": "Bestellnummer;E-Mail;Bestelldatum;Artikelnummer;Produktname;Menge;Einzelpreis",
    "fr": "Numéro de commande;Adresse e-mail;Date de commande;Référence;Produit;Quantité;Prix unitaire",
    "es": "Número de pedido;Correo electrónico;Fecha del pedido;Referencia;Producto;Cantidad;Precio unitario",
    "it": "Numero ordine;Indirizzo email;Data ordine;Codice prodotto;Prodotto;Quantità;Prezzo unitario",
    "nl": "Bestelnummer;E-mailadres;Besteldatum;Artikelnummer;Productnaam;Aantal;Stuksprijs",
    "zh": "订单编号;邮箱;下单时间;商品编号;商品名称;数量;单价",
}


@pytest.mark.parametrize("language", sorted(ORDERS_BY_LANGUAGE))
def test_columns_of_orders_are_recognized_in_other_languages(boss: Client, upload: Upload, language: str) -> None:
    text = f"{ORDERS_BY_LANGUAGE[language]}\n1001;ada@example.com;2026-05-17;tea;Tea;2;4,50\n"
    run = run_import(boss, upload, "orders", text)
    assert (run.created, run.rejected) == (1, 0)
    order = Order.objects.get()
    assert (order.order_id, order.total) == ("1001", Decimal(9))
    assert order.lines.get().product.title == "Tea"


def test_an_export_of_the_catalog_can_be_imported_again(boss: Client, upload: Upload) -> None:
    run_import(boss, upload, "products", exports.WOOCOMMERCE_PRODUCTS)
    count = Product.objects.count()
    again = run_import(boss, upload, "products", ProductResource().export().csv, source="export")
    assert (again.created, again.updated, again.unchanged) == (0, 0, count)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_exports_saved_by_a_spreadsheet_are_read(boss: Client, upload: Upload, encoding: str) -> None:
    text = exports.SHOPIFY_PRODUCTS.replace("\n", "\r\n").replace("Linen", "Línen")
    run_import(boss, upload, "products", text.encode(encoding))
    assert read_product("1001").title == "Línen Shirt - S / White"
