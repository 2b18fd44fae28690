"""Orders, imported by ``customers.orders.imports``."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.currencies import get_known_currencies
from config.foundation.shop.profile import get_shop
from customers.events.models import Source
from customers.imports.kinds.base import (
    LATER_CHANGES,
    PROFILES_FOLLOW,
    ImportField,
    ImportFileError,
    ImportKind,
    ImportOutcome,
    ImportPreset,
    ImportTask,
)
from customers.imports.kinds.outcomes import build_outcome, translate_file_errors
from customers.imports.value_types import DATE_FORMATS
from customers.orders.imports.count_labels import COUNT_LABELS
from customers.orders.imports.file_import import (
    get_error_file,
    import_orders,
)
from customers.orders.imports.order_fields import FIELDS, PRICE_FIELDS, REQUIRED_FIELDS
from customers.orders.imports.presets.registry import PRESETS
from customers.orders.models import OrderImport
from customers.orders.order_rules import REASONS
from customers.orders.sources import describe_wrong_source

# field → label, type of its values, and common names of its column
SPECS: dict[str, tuple[Any, str, tuple[str, ...]]] = {
    "order_id": (gettext_lazy("Order ID"), "id", ("order", "order number", "order no", "order #", "invoice", "订单号", "订单编号", "订单")),
    "line_number": (gettext_lazy("Line number"), "integer", ("line", "position", "行号")),
    "customer_id": (gettext_lazy("Customer ID"), "id", ("customer", "client id", "member id", "客户编号", "会员号", "用户id")),
    "email": (gettext_lazy("Email"), "email", ("e-mail", "customer email", "email address", "mail", "邮箱", "电子邮箱")),
    "placed_at": (
        gettext_lazy("Order date"),
        "date",
        ("date", "order date", "ordered at", "created at", "created", "purchase date", "timestamp", "下单时间", "订单日期", "日期"),
    ),
    "product_id": (gettext_lazy("Product ID"), "id", ("sku", "product", "item id", "article", "item number", "商品编号", "商品编码", "货号")),
    "product_title": (gettext_lazy("Product title"), "text", ("title", "product name", "item name", "item", "description", "商品名称", "商品")),
    "quantity": (gettext_lazy("Quantity"), "number", ("qty", "amount of items", "units", "数量")),
    "unit_price": (gettext_lazy("Unit price"), "number", ("price", "item price", "单价", "价格")),
    "line_discount": (gettext_lazy("Line discount"), "number", ("item discount", "行折扣")),
    "line_total": (gettext_lazy("Line total"), "number", ("item total", "line amount", "小计")),
    "currency": (gettext_lazy("Currency"), "currency", ("currency code", "币种", "货币")),
    "status": (gettext_lazy("Order status"), "text", ("state", "订单状态")),
    "financial_status": (gettext_lazy("Payment status"), "text", ("payment state", "支付状态", "付款状态")),
    "cancelled_at": (gettext_lazy("Canceled at"), "date", ("canceled at", "取消时间")),
    "order_discount": (gettext_lazy("Order discount"), "number", ("discount", "优惠金额", "折扣")),
    "shipping": (gettext_lazy("Shipping cost"), "number", ("shipping fee", "freight", "运费")),
    "tax": (gettext_lazy("Tax"), "number", ("taxes", "vat", "税费")),
    "total": (gettext_lazy("Order total"), "number", ("grand total", "total amount", "实付金额", "订单金额")),
    "refunded": (gettext_lazy("Refunded amount"), "number", ("refund", "refund amount", "退款金额")),
    "coupon": (gettext_lazy("Coupon code"), "text", ("coupon", "voucher", "discount code", "优惠券")),
    "channel": (gettext_lazy("Sales channel"), "text", ("channel", "store", "销售渠道", "渠道")),
    "country": (gettext_lazy("Country"), "text", ("shipping country", "国家")),
    "category": (gettext_lazy("Product category"), "text", ("category", "product type", "商品类目", "类目")),
    "brand": (gettext_lazy("Product brand"), "text", ("brand", "vendor", "manufacturer", "品牌")),
}  # fmt: skip


class OrderOptionsForm(forms.Form):
    """The options of an import of orders."""

    currency = forms.CharField(
        label=gettext_lazy("Currency"),
        max_length=3,
        initial=lambda: get_shop().currency,
        help_text=gettext_lazy("For orders without a currency."),
    )
    timezone = forms.CharField(
        label=gettext_lazy("Time zone"),
        max_length=50,
        initial=lambda: settings.TIME_ZONE,
        help_text=gettext_lazy("For times without an offset, such as Europe/Berlin."),
    )
    date_format = forms.ChoiceField(
        label=gettext_lazy("Date format"),
        required=False,
        choices=lambda: [("", _("Automatic")), *((key, shape.example) for key, shape in DATE_FORMATS.items())],
    )
    products = forms.ChoiceField(
        label=gettext_lazy("Unknown products"),
        initial="create",
        choices=[("create", gettext_lazy("Create them")), ("reject", gettext_lazy("Reject their rows"))],
    )
    keep_zero_quantity = forms.BooleanField(label=gettext_lazy("Accept rows with quantity 0"), required=False)

    def clean_currency(self) -> str:
        code = self.cleaned_data["currency"].upper()
        if code not in get_known_currencies():
            raise forms.ValidationError(_("Use a three-letter ISO 4217 code such as EUR."))
        return code

    def clean_timezone(self) -> str:
        name = self.cleaned_data["timezone"]
        if name not in available_timezones():
            raise forms.ValidationError(_("Unknown time zone; use a name such as Europe/Berlin."))
        return name


def import_order_file(task: ImportTask) -> ImportOutcome:
    """Import or check a file of orders. An import that already finished is only reported."""
    run = task.run
    source, _created = Source.objects.get_or_create(
        key=run.source, defaults={"name": run.source, "kind": Source.Kind.IMPORT}
    )
    if reason := describe_wrong_source(source):
        raise ImportFileError(reason)
    record = OrderImport.objects.filter(pk=run.record_id, dry_run=task.dry_run).first() if run.record_id else None
    if record is None or record.finished_at is None or task.dry_run:
        record = record or OrderImport(source=source)
        options = run.options
        shape = DATE_FORMATS.get(options.get("date_format", ""))
        record.file_name, record.dry_run, record.started_at = run.file_name, task.dry_run, task.at
        record.save()
        run.record_id = record.pk
        run.save(update_fields=["record_id"])  # before the import: an attempt after a crash finds its record
        with translate_file_errors(task, record):
            import_orders(
                path=task.path,
                source=source,
                started_at=task.at,
                preset=run.preset or "native",
                mapping=run.mapping,
                is_complete_mapping=True,
                currency=options.get("currency", ""),
                timezone=options.get("timezone", "UTC"),
                encoding=options.get("encoding") or None,
                date_formats=shape.formats if shape else (),
                products=options.get("products", "create"),
                keep_zero_quantity=options.get("keep_zero_quantity", False),
                dry_run=task.dry_run,
                progress=task.progress,
                run=record,
                file_name=run.file_name,
            )
    return build_outcome(
        record,
        counts={name: record.counts.get(name, 0) for name in SHOWN_COUNTS},
        created=record.counts.get("orders_created", 0),
        updated=record.counts.get("orders_updated", 0),
        unchanged=record.counts.get("orders_unchanged", 0),
        error_file=get_error_file(record) if record.error_file else None,
    )


SHOWN_COUNTS = (
    "lines_created",
    "lines_updated",
    "lines_removed",
    "customers_created",
    "products_created",
    "guest_lines",
    "return_lines",
)


def build_fields() -> dict[str, ImportField]:
    return {
        name: ImportField(
            label=label, type=kind, is_required=name in REQUIRED_FIELDS, description=FIELDS[name], names=names
        )
        for name, (label, kind, names) in SPECS.items()
    }


def build_presets() -> Mapping[str, ImportPreset]:
    return {
        preset.key: ImportPreset(
            key=preset.key,
            label=preset.label,
            columns=preset.columns,
            joined_fields=preset.joined_fields,
            read_columns=preset.part_columns,
            missing_help=preset.missing_help,
        )
        for preset in PRESETS.values()
    }


def explain_problem(code: str) -> Any:
    return REASONS.get(code, code)


ORDERS = ImportKind(
    key="orders",
    label=gettext_lazy("Orders"),
    icon="receipt_long",
    description=gettext_lazy("Past orders, with one row per product of an order."),
    file_help=gettext_lazy("CSV or TSV, optionally gzipped, or Parquet, with one row per product of an order."),
    created_label=gettext_lazy("New orders"),
    updated_label=gettext_lazy("Changed orders"),
    unchanged_label=gettext_lazy("Unchanged orders"),
    permissions=("orders.add_order", "orders.change_order"),
    import_file=import_order_file,
    main_table="orders_order",
    fields=build_fields(),
    required_any=(PRICE_FIELDS,),
    presets=build_presets(),
    options_form=OrderOptionsForm,
    count_labels={name: COUNT_LABELS[name] for name in SHOWN_COUNTS},
    describes_people=True,
    get_reason=explain_problem,
    undo_removes=(
        gettext_lazy("Orders that this import created. Changed orders get their earlier values back."),
        gettext_lazy("Customers and products that this import created, unless later data needs them."),
    ),
    undo_keeps=(
        LATER_CHANGES,
        PROFILES_FOLLOW,
    ),
)
