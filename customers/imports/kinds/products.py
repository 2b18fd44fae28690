"""Products, imported by ``catalog.feeds``."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from catalog.feeds.column_translations import add_translations, list_translations
from catalog.feeds.presets.base import FIELDS
from catalog.feeds.presets.registry import PRESETS
from catalog.feeds.product_import import FeedOptions, MissingProducts, import_feed
from catalog.models import FeedImport
from config.foundation.currencies import get_known_currencies
from config.foundation.shop.profile import get_shop
from customers.imports.kinds.base import (
    LATER_CHANGES,
    ImportCancelledError,
    ImportField,
    ImportKind,
    ImportOutcome,
    ImportPreset,
    ImportTask,
)
from customers.imports.kinds.outcomes import build_outcome, translate_file_errors

# field → label, type of its values, and common names of its column
SPECS: dict[str, tuple[Any, str, tuple[str, ...]]] = {
    "product_id": (gettext_lazy("Product ID"), "id", ("id", "item id", "article number", "商品编号", "商品id", "货号")),
    "parent_id": (gettext_lazy("Product group"), "id", ("item group id", "parent", "parent sku", "商品组")),
    "sku": (gettext_lazy("SKU"), "id", ("item number", "stock keeping unit", "商品编码")),
    "title": (gettext_lazy("Title"), "text", ("name", "product name", "product title", "product", "item", "商品名称", "标题", "名称")),
    "description": (gettext_lazy("Description"), "text", ("summary", "content", "details", "描述", "商品描述")),
    "category": (gettext_lazy("Category"), "text", ("category path", "product type", "categories", "类目", "分类")),
    "brand": (gettext_lazy("Brand"), "text", ("vendor", "manufacturer", "品牌")),
    "price": (gettext_lazy("Price"), "number", ("unit price", "regular price", "retail price", "售价", "价格", "单价")),
    "sale_price": (gettext_lazy("Sale price"), "number", ("special price", "discounted price", "促销价")),
    "sale_price_effective_date": (gettext_lazy("Period of the sale price"), "text", ()),
    "currency": (gettext_lazy("Currency"), "currency", ("currency code", "币种", "货币")),
    "cost": (gettext_lazy("Cost"), "number", ("cost price", "purchase price", "cost of goods sold", "成本", "成本价")),
    "availability": (gettext_lazy("Availability"), "text", ("stock status", "库存状态")),
    "stock": (gettext_lazy("Stock"), "number", ("quantity", "inventory", "qty", "库存")),
    "image_url": (gettext_lazy("Image URL"), "url", ("image", "image link", "picture", "图片", "主图")),
    "url": (gettext_lazy("URL"), "url", ("link", "product url", "商品链接", "链接")),
    "attributes": (gettext_lazy("Attributes (JSON)"), "text", ()),
    "tags": (gettext_lazy("Tags"), "text", ("labels", "标签")),
    "published_at": (gettext_lazy("Published at"), "date", ("publication date", "launch date", "上架时间")),
    "is_active": (gettext_lazy("Active"), "boolean", ("enabled", "published", "是否上架")),
}  # fmt: skip


class ProductOptionsForm(forms.Form):
    """The options of an import of products."""

    currency = forms.CharField(
        label=gettext_lazy("Currency"),
        max_length=3,
        initial=lambda: get_shop().currency,
        help_text=gettext_lazy("For prices without a currency."),
    )
    missing = forms.ChoiceField(
        label=gettext_lazy("Products missing from the file"),
        initial=MissingProducts.KEEP.value,
        choices=[
            (MissingProducts.KEEP.value, gettext_lazy("Keep unchanged")),
            (MissingProducts.DEACTIVATE.value, gettext_lazy("Deactivate")),
        ],
        help_text=gettext_lazy(
            "Only products from this source are deactivated, not those of other sources, of a connected shop or of the REST API."
        ),
    )
    force = forms.BooleanField(
        label=gettext_lazy("Deactivate even if more than half of the products are missing"), required=False
    )

    def clean_currency(self) -> str:
        code = self.cleaned_data["currency"].upper()
        if code not in get_known_currencies():
            raise forms.ValidationError(_("Use a three-letter ISO 4217 code such as EUR."))
        return code


def build_feed_options(
    options: Mapping[str, Any], *, source: str, preset: str, mapping: Mapping[str, list[str]]
) -> FeedOptions:
    """Return the options of a feed; ``mapping`` has the columns that a user chose, "-" the columns to leave out."""
    return FeedOptions(
        currency=options.get("currency") or get_shop().currency,
        encoding=options.get("encoding") or None,
        missing=MissingProducts(options.get("missing") or MissingProducts.KEEP),
        force=bool(options.get("force")),
        source=source,
        preset=preset,
        mapping={name: own for name, own in mapping.items() if name in FIELDS},
        is_complete_mapping=True,
        skipped=mapping.get("-", []),
    )


def import_product_file(task: ImportTask) -> ImportOutcome:
    """Import or check a file of products."""
    run = task.run
    record = FeedImport.objects.filter(pk=run.record_id, dry_run=task.dry_run).first() if run.record_id else None
    if record is None or record.finished_at is None or record.error or task.dry_run:
        record = record or FeedImport(dry_run=task.dry_run)
        record.file_name, record.started_at = run.file_name, task.at
        record.save()
        run.record_id = record.pk
        run.save(update_fields=["record_id"])  # before the import: an attempt after a crash finds its record
        options = build_feed_options(run.options, source=run.source, preset=run.preset, mapping=run.mapping)
        try:
            with translate_file_errors(task, record):
                import_feed(
                    path=task.path,
                    options=options,
                    started_at=task.at,
                    dry_run=task.dry_run,
                    progress=task.progress,
                    record=record,
                )
        except ImportCancelledError:
            record.error = _("The import was canceled.")
            record.save(update_fields=["error"])
            raise
    return build_outcome(record, counts={"deactivated": record.deactivated, "inactive": record.inactive})


PRODUCTS = ImportKind(
    key="products",
    label=gettext_lazy("Products"),
    icon="inventory_2",
    description=gettext_lazy("The catalog, with prices, stock, categories and images."),
    file_help=gettext_lazy("CSV, TSV, JSON Lines, or a Google Merchant feed in XML, optionally gzipped."),
    created_label=pgettext_lazy("import", "New products"),
    updated_label=gettext_lazy("Changed products"),
    unchanged_label=gettext_lazy("Unchanged products"),
    permissions=("catalog.add_product", "catalog.change_product"),
    import_file=import_product_file,
    main_table="catalog_product",
    fields={
        name: ImportField(label=label, type=kind, is_required=name in ("product_id", "title"), names=names)
        for name, (label, kind, names) in SPECS.items()
    },
    presets={
        preset.key: ImportPreset(
            key=preset.key,
            label=preset.label,
            columns=add_translations(preset.columns, preset.translations),
            joined_fields=preset.joined_fields,
            derived_fields=preset.derived_fields,
            read_columns=list_translations(preset.read_columns, preset.translations),
            identifying_columns=list_translations(preset.identifying_columns, preset.translations),
            keeps_other_columns=preset.keeps_other_columns,
        )
        for preset in PRESETS.values()
    },
    options_form=ProductOptionsForm,
    count_labels={
        "deactivated": gettext_lazy("deactivated products"),
        "inactive": gettext_lazy("products that are inactive and stay hidden"),
    },
    counts_changes=True,
    undo_removes=(gettext_lazy("Products that this import created. Changed products get their earlier values back."),),
    undo_keeps=(
        LATER_CHANGES,
        gettext_lazy("Recommendations, until the next training."),
    ),
)
