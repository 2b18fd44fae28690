"""Which column of a file holds which field of an order line: our own names, Shopify's, WooCommerce's, or as told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

# field → what it is; the order is that of the documentation and of the error messages
FIELDS: dict[str, Promise] = {
    "order_id": gettext_lazy("the order's id, on each of its lines"),
    "line_number": gettext_lazy("counts the order's lines; without it, lines are numbered as they come"),
    "customer_id": gettext_lazy("the shop's own id of the customer; empty for a guest"),
    "email": gettext_lazy("e-mail address of the customer or guest"),
    "placed_at": gettext_lazy("when the order was placed"),
    "product_id": gettext_lazy("the product's id"),
    "product_title": gettext_lazy("the product's title, for products that are new"),
    "quantity": gettext_lazy("how many; negative for what came back"),
    "unit_price": gettext_lazy("price of one before the discount"),
    "line_discount": gettext_lazy("discount on the line"),
    "line_total": gettext_lazy("what was charged for the line"),
    "currency": gettext_lazy("ISO 4217 code such as EUR"),
    "status": gettext_lazy("placed, cancelled, refunded, partly refunded, or the shop system's word for it"),
    "financial_status": gettext_lazy("the payment's state, in Shopify's words"),
    "cancelled_at": gettext_lazy("when the order was cancelled; empty if it was not"),
    "order_discount": gettext_lazy("discount on the whole order"),
    "shipping": gettext_lazy("shipping of the order"),
    "tax": gettext_lazy("tax of the order"),
    "total": gettext_lazy("what was charged for the order"),
    "refunded": gettext_lazy("what was paid back"),
    "coupon": gettext_lazy("coupon code"),
    "channel": gettext_lazy("where it was sold, such as a store"),
    "country": gettext_lazy("the customer's country"),
    "category": gettext_lazy("the product's category, such as Kitchen > Kettles, for products that are new"),
    "brand": gettext_lazy("the product's brand, for products that are new"),
}
REQUIRED = ("order_id", "placed_at", "product_id", "quantity")
PRICES = ("unit_price", "line_total")
US_DATES = ("%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y")


class MappingError(Exception):
    """The file's columns and the wanted fields do not fit together."""


@dataclass(frozen=True)
class Preset:
    """Column names a shop system writes, the likeliest first; each of ``joined`` adds to the ones before where they are empty."""

    columns: Mapping[str, Sequence[str]]
    joined: frozenset[str] = frozenset()
    date_formats: Sequence[str] = ()
    guest_ids: frozenset[str] = field(default_factory=frozenset)


PRESETS: dict[str, Preset] = {
    "own": Preset(columns={name: (name,) for name in FIELDS}),
    # Shopify admin → Orders → Export: the order's own columns are filled on its first row only
    "shopify": Preset(
        columns={
            "order_id": ("Name",),
            "email": ("Email",),
            "placed_at": ("Created at",),
            "product_id": ("Lineitem sku", "Lineitem name"),
            "product_title": ("Lineitem name",),
            "quantity": ("Lineitem quantity",),
            "unit_price": ("Lineitem price",),
            "line_discount": ("Lineitem discount",),
            "currency": ("Currency",),
            "financial_status": ("Financial Status",),
            "cancelled_at": ("Cancelled at",),
            "order_discount": ("Discount Amount",),
            "shipping": ("Shipping",),
            "tax": ("Taxes",),
            "total": ("Total",),
            "refunded": ("Refunded Amount",),
            "coupon": ("Discount Code",),
            "channel": ("Source",),
            "country": ("Shipping Country", "Billing Country"),
            "brand": ("Vendor",),
        },
        joined=frozenset({"product_id", "country"}),
    ),
    # Customer/Order/Coupon Export and Import Export Suite (one row per item), Advanced Order Export (titles with blanks)
    "woocommerce": Preset(
        columns={
            "order_id": ("order_number", "order_id", "Order Number", "Order ID"),
            "customer_id": ("customer_id", "customer_user", "Customer User ID", "Customer ID"),
            "email": ("billing_email", "customer_email", "Email (Billing)", "Billing Email"),
            "placed_at": ("date", "order_date", "Order Date"),
            "product_id": (
                "item_sku",
                "SKU",
                "Item SKU",
                "item_product_id",
                "Product ID",
                "Product Id",
                "item_name",
                "Item Name",
            ),
            "product_title": ("item_name", "Item Name"),
            "quantity": ("item_quantity", "Quantity", "Item Quantity"),
            "unit_price": ("item_price", "Item Cost", "Item Price"),
            "line_total": ("item_total", "Order Line Total", "Item Total"),
            "currency": ("order_currency", "Currency", "Order Currency"),
            "status": ("status", "Order Status"),
            "order_discount": (),
            "shipping": ("shipping_total", "Order Shipping Amount", "Shipping Total"),
            "tax": ("tax_total", "Order Total Tax Amount", "Tax Total"),
            "total": ("order_total", "Order Total Amount", "Order Total"),
            "refunded": ("refunded_total", "Order Refund Amount"),
            "coupon": ("coupon_code", "Coupon Code"),
            "country": ("shipping_country", "billing_country", "Country Code (Shipping)", "Country Code (Billing)"),
            "category": ("Category",),
        },
        joined=frozenset({"product_id"}),
        date_formats=US_DATES,
        guest_ids=frozenset({"0"}),
    ),
}


@dataclass(frozen=True)
class ColumnMapping:
    """Field → the columns that hold it (the first that is not empty counts), with the preset's ways of writing."""

    columns: Mapping[str, tuple[str, ...]]
    date_formats: tuple[str, ...] = ()
    guest_ids: frozenset[str] = frozenset()

    def has(self, *fields: str) -> bool:
        return any(name in self.columns for name in fields)

    def used_columns(self) -> list[str]:
        return list(dict.fromkeys(column for columns in self.columns.values() for column in columns))


def parse_assignments(assignments: Sequence[str]) -> dict[str, str]:
    """``["order_id=Invoice", …]`` as a dictionary."""
    mapping: dict[str, str] = {}
    for text in assignments:
        name, equals, column = text.partition("=")
        if not equals or not name.strip() or not column.strip():
            raise MappingError(
                _("--map %(text)s: write field=column, such as order_id=Invoice.") % {"text": repr(text)}
            )
        if name.strip() in mapping:
            raise MappingError(_("--map gives the field %(name)s twice.") % {"name": name.strip()})
        mapping[name.strip()] = column.strip()
    return mapping


def resolve_mapping(
    *,
    columns: Sequence[str],
    preset: str = "own",
    mapping: Mapping[str, str] | None = None,
    date_formats: Sequence[str] = (),
) -> ColumnMapping:
    """The columns of a file that hold each field; what ``mapping`` says goes before the preset.

    Raises:
        MappingError: an unknown preset, field or column, a column for two fields, or a needed field without a column.
    """
    if preset not in PRESETS:
        raise MappingError(
            _("Unknown preset %(preset)s; there are %(known)s.") % {"preset": repr(preset), "known": ", ".join(PRESETS)}
        )
    chosen = PRESETS[preset]
    told = read_told(columns, mapping or {})
    taken = {column for found in told.values() for column in found}
    by_name = {normalise(column): column for column in reversed(columns) if column not in taken}
    found = dict(told)
    for name, candidates in chosen.columns.items():
        matches = [by_name[normalise(c)] for c in candidates if normalise(c) in by_name]
        if name not in found and matches:
            found[name] = tuple(dict.fromkeys(matches if name in chosen.joined else matches[:1]))
    check_complete(found, columns, chosen)
    return ColumnMapping(
        columns={name: found[name] for name in FIELDS if name in found},
        date_formats=(*date_formats, *chosen.date_formats),
        guest_ids=chosen.guest_ids,
    )


def read_told(columns: Sequence[str], mapping: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    told: dict[str, tuple[str, ...]] = {}
    owner: dict[str, str] = {}
    for name, column in mapping.items():
        if name not in FIELDS:
            raise MappingError(
                _("Unknown field %(name)s.%(nearest)s The fields are: %(fields)s.")
                % {"name": repr(name), "nearest": suggest(name, list(FIELDS)), "fields": ", ".join(FIELDS)}
            )
        if column not in columns:
            raise MappingError(
                _("The file has no column %(column)s for %(name)s.%(nearest)s Its columns are: %(columns)s.")
                % {
                    "column": repr(column),
                    "name": name,
                    "nearest": suggest(column, columns),
                    "columns": ", ".join(columns),
                }
            )
        if column in owner:
            raise MappingError(
                _("The column %(column)s is given for two fields, %(one)s and %(other)s; each needs its own.")
                % {"column": repr(column), "one": owner[column], "other": name}
            )
        owner[column] = name
        told[name] = (column,)
    return told


def check_complete(found: Mapping[str, tuple[str, ...]], columns: Sequence[str], preset: Preset) -> None:
    missing = [name for name in REQUIRED if name not in found]
    if not any(name in found for name in PRICES):
        missing.append("unit_price")
    if not missing:
        return
    lines = [
        f"{name} ({FIELDS[name]}){suggest_any([*preset.columns.get(name, ()), name], columns)}" for name in missing
    ]
    if not found and looks_like_data(columns):
        raise MappingError(
            _("The first line must name the columns, but it reads: %(columns)s.") % {"columns": ", ".join(columns)}
        )
    raise MappingError(
        _("No column for %(missing)s. The file's columns are: %(columns)s. Tell with --map field=column.")
        % {"missing": "; ".join(lines), "columns": ", ".join(columns)}
    )


def looks_like_data(columns: Sequence[str]) -> bool:
    return any(
        column.replace(".", "").replace("-", "").replace(":", "").replace(" ", "").isdigit() for column in columns
    )


def normalise(name: str) -> str:
    """Names that differ only by case, blanks and underscores are one."""
    return name.strip().lower().replace(" ", "_")


def suggest(name: str, known: Sequence[str]) -> str:
    by_name = {normalise(column): column for column in known}
    nearest = get_close_matches(normalise(name), list(by_name), n=1, cutoff=0.5)
    return " " + _("Do you mean %(nearest)s?") % {"nearest": repr(by_name[nearest[0]])} if nearest else ""


def suggest_any(names: Sequence[str], columns: Sequence[str]) -> str:
    return next((text for name in names if (text := suggest(name, columns))), "")
