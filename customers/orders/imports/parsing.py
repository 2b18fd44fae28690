"""Turns raw values of a file into typed ones, as one DuckDB query a batch, and names the first thing wrong with each row."""

# ruff: noqa: S608 — the names that stand in statements are constants of this package, values are parameters

from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from catalog.field_cleaning import known_currencies
from customers.orders.imports.column_mapping import ColumnMapping
from customers.orders.models import Order

MAX_FUTURE = timedelta(days=1)
QUANTITY = "DECIMAL(12,3)"
UNIT_PRICE = "DECIMAL(14,4)"
MONEY = "DECIMAL(14,2)"
NUMBERS = {
    "quantity": QUANTITY,
    "unit_price": UNIT_PRICE,
    "line_discount": MONEY,
    "line_total": MONEY,
    "order_discount": MONEY,
    "shipping": MONEY,
    "tax": MONEY,
    "total": MONEY,
    "refunded": MONEY,
}
IDS = {"order_id": 100, "product_id": 200, "customer_id": 255}
# texts beside the ids are cut to what fits
TEXTS = {"product_title": 500, "coupon": 100, "channel": 100, "country": 100, "category": 1000, "brand": 200}
COLUMN_TYPES = (
    NUMBERS
    | dict.fromkeys([*IDS, *TEXTS, "email", "currency", "status"], "VARCHAR")
    | {"placed_at": "TIMESTAMP", "line_number": "INTEGER"}
)
STATUS_WORDS: dict[str, str] = {
    # our own, Shopify's financial states, WooCommerce's order states
    Order.Status.PLACED: (
        "placed paid pending authorized partially_paid unpaid open completed complete processing on_hold shipped "
        "delivered fulfilled"
    ),
    Order.Status.CANCELLED: "cancelled canceled voided expired failed trash checkout_draft",
    Order.Status.REFUNDED: "refunded returned",
    Order.Status.PARTLY_REFUNDED: "partly_refunded partially_refunded",
}


@dataclass(frozen=True)
class Choices:
    """How a file is to be understood."""

    mapping: ColumnMapping
    currency: str
    timezone: str
    as_of: datetime
    decimal_comma: bool = False
    keep_zero_quantity: bool = False


def build_parse(schema: pa.Schema, choices: Choices) -> str:
    """The SELECT from the table ``batch`` (trimmed columns, "file line", "file row") that gives typed values and a problem or NULL."""
    return Parser(schema, choices).query()


def quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def quote_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class Parser:
    """Builds the query for one schema; every part of it is a constant or quoted."""

    def __init__(self, schema: pa.Schema, choices: Choices) -> None:
        self.schema = schema
        self.choices = choices
        self.mapping = choices.mapping
        self.types = {name: schema.field(columns[0]).type for name, columns in self.mapping.columns.items()}

    def query(self) -> str:
        raw = ", ".join(f"{self.raw(name)} AS raw_{name}" for name in self.mapping.columns)
        typed = ", ".join(f"{expression} AS {name}" for name, expression in self.typed().items())
        limit = f"TIMESTAMP {quote(f'{self._latest():%Y-%m-%d %H:%M:%S}')}"
        return f"""
            WITH raw AS (SELECT "file line" AS line, "file row" AS row, {raw} FROM batch),
            typed AS (SELECT *, {typed} FROM raw),
            summed AS (SELECT *, quantity * unit_price AS gross, {self.given_discount()} AS given_discount,
                              {self.signed_total()} AS given_total FROM typed),
            netted AS (SELECT *, coalesce(given_total, round(gross - coalesce(given_discount, 0), 2)) AS net FROM summed),
            priced AS (SELECT *, {self.discount()} AS discount FROM netted)
            SELECT line, row, order_id, line_number, customer_id, email,
                   CASE WHEN placed_at <= {limit} THEN placed_at END AS placed_at, product_id, product_title, quantity,
                   TRY_CAST(coalesce(unit_price, CASE WHEN quantity <> 0 THEN (net + discount) / quantity END, 0)
                            AS {UNIT_PRICE}) AS unit_price,
                   TRY_CAST(discount AS {MONEY}) AS discount, TRY_CAST(net AS {MONEY}) AS net, currency, status,
                   order_discount, shipping, tax, total, refunded, coupon, channel, country, category, brand,
                   {self.problem(limit)} AS problem
            FROM priced
        """

    def _latest(self) -> datetime:
        return (self.choices.as_of + MAX_FUTURE).replace(tzinfo=None)

    def raw(self, name: str) -> str:
        """A field's value as it stands in the file, NULL where it is blank; the first filled column of several."""
        parts = [self._raw_column(column) for column in self.mapping.columns[name]]
        return parts[0] if len(parts) == 1 else f"coalesce({', '.join(f'CAST({part} AS VARCHAR)' for part in parts)})"

    def _raw_column(self, column: str) -> str:
        kind = self.schema.field(column).type
        name = quote_name(column)
        if pa.types.is_floating(kind):
            return f"CASE WHEN isfinite({name}) THEN {name} END"
        if is_text(kind):
            return f"nullif(CAST({name} AS VARCHAR), '')"
        return name

    def typed(self) -> dict[str, str]:
        """Expressions of all columns but the computed ones; NULL for fields that the file does not have."""
        typed = {name: f"CAST(NULL AS {kind})" for name, kind in COLUMN_TYPES.items()}
        for name in self.mapping.columns:
            if name in NUMBERS:
                typed[name] = self.number(name)
            elif name in IDS:
                typed[name] = self.identifier(name)
            elif name in TEXTS:
                typed[name] = f"left(CAST(raw_{name} AS VARCHAR), {TEXTS[name]})"
        if self.mapping.has("placed_at"):
            typed["placed_at"] = self.moment("placed_at")
        if self.mapping.has("email"):
            typed["email"] = "CASE WHEN contains(raw_email, '@') THEN lower(left(raw_email, 254)) END"
        if self.mapping.has("currency"):
            typed["currency"] = "upper(CAST(raw_currency AS VARCHAR))"
        if self.mapping.has("line_number"):
            typed["line_number"] = "TRY_CAST(raw_line_number AS INTEGER)"
        typed["status"] = self.status()
        return typed

    def number(self, name: str) -> str:
        raw = f"raw_{name}"
        if not is_text(self.types[name]):
            return f"TRY_CAST({raw} AS {NUMBERS[name]})"
        if self.choices.decimal_comma:
            plain = f"CASE WHEN contains({raw}, ',') THEN replace(replace({raw}, '.', ''), ',', '.') ELSE {raw} END"
        else:
            grouped = f"regexp_full_match({raw}, '[-+]?[0-9]{{1,3}}(,[0-9]{{3}})+(\\.[0-9]*)?')"
            plain = f"CASE WHEN contains({raw}, ',') AND {grouped} THEN replace({raw}, ',', '') ELSE {raw} END"
        return f"TRY_CAST({plain} AS {NUMBERS[name]})"

    def identifier(self, name: str) -> str:
        raw = f"raw_{name}"
        kind = self.types[name]
        if pa.types.is_floating(kind) and len(self.mapping.columns[name]) == 1:
            # ids become floats where a table tool met an empty one: 13085.0 is 13085
            text = f"CASE WHEN {raw} = floor({raw}) THEN CAST(TRY_CAST({raw} AS BIGINT) AS VARCHAR) ELSE CAST({raw} AS VARCHAR) END"
        elif name == "customer_id" and is_text(kind):
            text = f"CASE WHEN suffix({raw}, '.0') AND regexp_full_match({raw}, '[0-9]+\\.0') THEN left({raw}, length({raw}) - 2) ELSE {raw} END"
        else:
            text = f"CAST({raw} AS VARCHAR)"
        if name == "customer_id":
            for guest in sorted(self.mapping.guest_ids):
                text = f"nullif({text}, {quote(guest)})"
        return text

    def moment(self, name: str) -> str:
        """The moment in UTC; without an offset it is one of the shop's time zone, which is the connection's."""
        raw = f"raw_{name}"
        kind = self.types[name]
        if pa.types.is_timestamp(kind) and kind.tz is None and self.choices.timezone == "UTC":
            return f"CAST({raw} AS TIMESTAMP)"
        if not is_text(kind):
            return f"timezone('UTC', TRY_CAST({raw} AS TIMESTAMPTZ))"
        # "2026-05-17 09:30:00 +0200", as Shopify writes it, has a blank too many
        text = f"regexp_replace({raw}, ' +([-+][0-9]{{2}}:?([0-9]{{2}})?)$', '\\1')"
        text = f"CASE WHEN regexp_matches({raw}, '^[0-9]{{4}}[-/]') THEN {text} END"
        tries = [f"TRY_CAST({text} AS TIMESTAMPTZ)"]
        if self.mapping.date_formats:
            formats = ", ".join(quote(text) for text in self.mapping.date_formats)
            squeezed = f"regexp_replace({raw}, ' +', ' ', 'g')"
            tries.insert(0, f"CAST(try_strptime({squeezed}, [{formats}]) AS TIMESTAMPTZ)")
        return f"timezone('UTC', coalesce({', '.join(tries)}))"

    def status(self) -> str:
        """Cancelled beats the payment's state, which beats the order's, if it says more than that all is well."""
        known = []
        if self.mapping.has("cancelled_at"):
            known.append("CASE WHEN raw_cancelled_at IS NOT NULL THEN 'cancelled' END")
        words = [self.status_word(name) for name in ("financial_status", "status") if self.mapping.has(name)]
        known += [f"nullif({word}, 'placed')" for word in words]
        known += words
        return f"coalesce({', '.join(known)}, NULL)" if known else "CAST(NULL AS VARCHAR)"

    def status_word(self, name: str) -> str:
        word = f"regexp_replace(regexp_replace(lower(CAST(raw_{name} AS VARCHAR)), '[ -]+', '_', 'g'), '^wc_', '')"
        cases = " ".join(
            f"WHEN {word} IN ({', '.join(quote(word) for word in words.split())}) THEN {quote(str(status))}"
            for status, words in STATUS_WORDS.items()
        )
        return f"CASE {cases} END"

    def given_discount(self) -> str:
        """Discounts are given with either sign; ours takes away from what the quantity adds."""
        if not self.mapping.has("line_discount"):
            return f"CAST(NULL AS {MONEY})"
        return "sign(quantity) * abs(coalesce(line_discount, 0))"

    def signed_total(self) -> str:
        return "CASE WHEN quantity < 0 THEN -abs(line_total) ELSE line_total END"

    def discount(self) -> str:
        """Where the file has no discount, what the total lacks to price times quantity is one, if it is not mere rounding."""
        lacking = "round(gross - net, 2)"
        real = f"abs(gross - net) > {self.rounding()} AND sign(gross - net) = sign(quantity)"
        return f"coalesce(given_discount, CASE WHEN {real} THEN {lacking} ELSE 0 END)"

    def rounding(self) -> str:
        return "(0.01 * abs(quantity) + 0.01)"

    def problem(self, latest: str) -> str:
        """The first thing wrong with a row, as ``code:field``."""
        has = self.mapping.has
        tests: list[tuple[str, str]] = [
            ("order_id IS NULL", "missing_order_id:order_id"),
            ("product_id IS NULL", "missing_product:product_id"),
            *((f"length({name}) > {size}", f"too_long:{name}") for name, size in IDS.items() if has(name)),
            ("raw_placed_at IS NOT NULL AND (placed_at IS NULL OR year(placed_at) < 1970)", "bad_date:placed_at"),
            (f"placed_at > {latest}", "future_date:placed_at"),
            ("raw_quantity IS NULL", "missing_quantity:quantity"),
        ]
        tests += [(f"raw_{name} IS NOT NULL AND {name} IS NULL", f"bad_number:{name}") for name in NUMBERS if has(name)]
        if not self.choices.keep_zero_quantity:
            tests.append(("quantity = 0", "zero_quantity:quantity"))
        tests.append(("unit_price < 0", "negative_price:unit_price"))
        tests.append(("line_total < 0 AND quantity >= 0", "negative_price:line_total"))
        tests.append(("unit_price IS NULL AND line_total IS NULL", f"missing_price:{self.price_field()}"))
        tests.append(("quantity < 0 AND coalesce(given_total, gross) = 0", "stock_movement:quantity"))
        if has("line_total") and has("unit_price"):
            tests.append(
                (f"quantity <> 0 AND abs(gross - discount - net) > {self.rounding()}", "total_mismatch:line_total")
            )
        tests.append((f"abs(net) >= 1e12 OR TRY_CAST(discount AS {MONEY}) IS NULL", f"bad_number:{self.price_field()}"))
        if has("line_number"):
            tests.append(("line_number IS NULL OR line_number < 0", "bad_line_number:line_number"))
        if has("currency"):
            codes = ", ".join(quote(code) for code in sorted(known_currencies()))
            tests.append((f"currency NOT IN ({codes})", "unknown_currency:currency"))
        for name in ("status", "financial_status"):
            if has(name):
                tests.append(
                    (f"raw_{name} IS NOT NULL AND ({self.status_word(name)}) IS NULL", f"unknown_status:{name}")
                )
        return "CASE " + " ".join(f"WHEN {test} THEN {quote(problem)}" for test, problem in tests) + " END"

    def price_field(self) -> str:
        return "unit_price" if self.mapping.has("unit_price") else "line_total"


def is_text(kind: pa.DataType) -> bool:
    return not (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_temporal(kind)
        or pa.types.is_boolean(kind)
    )


def trimmed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column without blanks of any kind around its texts, and without NUL, which PostgreSQL cannot store."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column
    column = pc.utf8_trim_whitespace(column)
    if pc.any(pc.match_substring(column, "\0")).as_py():
        column = pc.replace_substring(column, "\0", "")
    return column
