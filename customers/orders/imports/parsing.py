"""Builds the DuckDB query that parses a batch of raw rows and finds the first problem of each row."""

# ruff: noqa: S608 — the names in the statements are constants of this package, values are quoted

import re
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
from django.conf import settings

from config.foundation.currencies import get_known_currencies
from customers.identity.resolution.blocklist import BLOCKED_IDS, MAX_BLOCKED_LENGTH
from customers.orders.imports.column_mapping import ColumnMapping
from customers.orders.imports.status_words import STATUS_WORDS, TRANSLATED_STATUS_WORDS
from customers.orders.order_rules import (
    EMAIL_LENGTH,
    ID_LENGTHS,
    MAX_FUTURE,
    MONEY,
    QUANTITY,
    TEXT_LENGTHS,
    UNIT_PRICE,
    NumberFormat,
)

NUMBERS: dict[str, NumberFormat] = {
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
COLUMN_TYPES = (
    {name: number.sql_type for name, number in NUMBERS.items()}
    | dict.fromkeys([*ID_LENGTHS, *TEXT_LENGTHS, "email", "currency", "status"], "VARCHAR")
    | {"placed_at": "TIMESTAMP", "line_number": "INTEGER"}
)


# the same IDs as in `blocklist.is_blocked_id`
PLACEHOLDER_IDS = "|".join(
    [*(re.escape(placeholder) for placeholder in sorted(BLOCKED_IDS) if placeholder), f"[0-]{{1,{MAX_BLOCKED_LENGTH}}}"]
)


@dataclass(frozen=True)
class ImportOptions:
    """How to interpret a file.

    lists_all_problems: ``problem`` has all problems of the values of a row, separated by spaces, instead of the first problem. Whether
    the values fit together is then not checked.
    creates_drafts: products that the catalog lacks become drafts, which are not shown.
    caps_refunds: a refunded amount above the total becomes the total, instead of a problem that the sender cannot correct.
    """

    mapping: ColumnMapping
    currency: str
    timezone: str
    as_of: datetime
    decimal_comma: bool = False
    keep_zero_quantity: bool = False
    lists_all_problems: bool = False
    creates_drafts: bool = False
    caps_refunds: bool = False


def build_parse_query(schema: pa.Schema, options: ImportOptions) -> str:
    """Return a query on the table ``batch`` that yields typed values and the problem of each row.

    ``batch`` has the trimmed columns of the file, "file line" and "file row".
    """
    return ParseQueryBuilder(schema, options).build()


def quote_text(text: str) -> str:
    """Return a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def quote_name(name: str) -> str:
    """Return a column name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


class ParseQueryBuilder:
    """Builds the query for one schema; every part of the query is a constant or quoted."""

    def __init__(self, schema: pa.Schema, options: ImportOptions) -> None:
        self.schema = schema
        self.options = options
        self.mapping = options.mapping
        self.types = {name: schema.field(columns[0]).type for name, columns in self.mapping.columns.items()}

    def build(self) -> str:
        """Return the whole query."""
        raw = ", ".join(f"{self._build_raw(name)} AS raw_{name}" for name in self.mapping.columns)
        typed = ", ".join(f"{expression} AS {name}" for name, expression in self._build_typed_columns().items())
        # the product of two short decimals has at most 18 digits in DuckDB, and a longer one fails the whole batch
        gross = f"CAST(quantity AS DECIMAL(19,{QUANTITY.places})) * unit_price"
        limit = f"TIMESTAMP {quote_text(f'{self._get_latest_time():%Y-%m-%d %H:%M:%S}')}"
        return f"""
            WITH raw AS (SELECT "file line" AS line, "file row" AS row, {raw} FROM batch),
            typed AS (SELECT *, {typed} FROM raw),
            summed AS (SELECT *, {gross} AS gross, {self._build_signed_discount()} AS signed_discount,
                              {self._build_signed_total()} AS signed_total FROM typed),
            netted AS (SELECT *, coalesce(signed_total, round(gross - coalesce(signed_discount, 0), 2)) AS net FROM summed),
            priced AS (SELECT *, {self._build_discount()} AS discount FROM netted)
            SELECT line, row, order_id, line_number, customer_id, email,
                   CASE WHEN placed_at <= {limit} THEN placed_at END AS placed_at, product_id, product_title, quantity,
                   {self._build_unit_price()} AS unit_price,
                   TRY_CAST(discount AS {MONEY.sql_type}) AS discount, TRY_CAST(net AS {MONEY.sql_type}) AS net, currency, status,
                   order_discount, shipping, tax, total, refunded, coupon, channel, country, category, brand,
                   {self._build_problem(limit)} AS problem
            FROM priced
        """

    def _get_latest_time(self) -> datetime:
        return (self.options.as_of + MAX_FUTURE).replace(tzinfo=None)

    def _build_raw(self, name: str) -> str:
        """Return the expression of a field's raw value: that of its first column with a value, or NULL."""
        parts = [self._build_raw_column(column) for column in self.mapping.columns[name]]
        return parts[0] if len(parts) == 1 else f"coalesce({', '.join(f'CAST({part} AS VARCHAR)' for part in parts)})"

    def _build_raw_column(self, column: str) -> str:
        data_type = self.schema.field(column).type
        name = quote_name(column)
        if pa.types.is_floating(data_type):
            return f"CASE WHEN isfinite({name}) THEN {name} END"
        if is_text(data_type):
            return f"nullif(CAST({name} AS VARCHAR), '')"
        return name

    def _build_typed_columns(self) -> dict[str, str]:
        """Return the expression of each column that is not computed.

        NULL for fields that the file lacks.
        """
        typed = {name: f"CAST(NULL AS {data_type})" for name, data_type in COLUMN_TYPES.items()}
        for name in self.mapping.columns:
            if name in NUMBERS:
                typed[name] = self._build_number(name)
            elif name in ID_LENGTHS:
                typed[name] = self._build_identifier(name)
            elif name in TEXT_LENGTHS:
                typed[name] = f"left(CAST(raw_{name} AS VARCHAR), {TEXT_LENGTHS[name]})"
        if self.mapping.has("placed_at"):
            typed["placed_at"] = self._build_moment("placed_at")
        if self.mapping.has("email"):
            typed["email"] = f"CASE WHEN contains(raw_email, '@') THEN lower(left(raw_email, {EMAIL_LENGTH})) END"
        if self.mapping.has("currency"):
            typed["currency"] = "upper(CAST(raw_currency AS VARCHAR))"
        if self.mapping.has("line_number"):
            typed["line_number"] = "TRY_CAST(raw_line_number AS INTEGER)"
        typed["status"] = self._build_status()
        return typed

    def _build_number(self, name: str) -> str:
        raw = f"raw_{name}"
        if not is_text(self.types[name]):
            return f"TRY_CAST({raw} AS {NUMBERS[name].sql_type})"
        if self.options.decimal_comma:
            plain = f"CASE WHEN contains({raw}, ',') THEN replace(replace({raw}, '.', ''), ',', '.') ELSE {raw} END"
        else:
            grouped = f"regexp_full_match({raw}, '[-+]?[1-9][0-9]{{0,2}}(,[0-9]{{3}})+(\\.[0-9]*)?')"
            plain = f"CASE WHEN contains({raw}, ',') AND {grouped} THEN replace({raw}, ',', '') ELSE {raw} END"
        return f"TRY_CAST({plain} AS {NUMBERS[name].sql_type})"

    def _build_identifier(self, name: str) -> str:
        raw = f"raw_{name}"
        data_type = self.types[name]
        if pa.types.is_floating(data_type) and len(self.mapping.columns[name]) == 1:
            # spreadsheets and data frames turn IDs into floats when some are missing: 13085.0 is 13085
            text = f"CASE WHEN {raw} = floor({raw}) THEN CAST(TRY_CAST({raw} AS BIGINT) AS VARCHAR) ELSE CAST({raw} AS VARCHAR) END"
        elif name == "customer_id" and is_text(data_type):
            text = f"CASE WHEN suffix({raw}, '.0') AND regexp_full_match({raw}, '[0-9]+\\.0') THEN left({raw}, length({raw}) - 2) ELSE {raw} END"
        else:
            text = f"CAST({raw} AS VARCHAR)"
        if name == "customer_id":
            # a customer called "null" would be the buyer of all orders of guests
            text = f"CASE WHEN NOT regexp_full_match({text}, {quote_text(PLACEHOLDER_IDS)}, 'i') THEN {text} END"
            for guest in sorted(self.mapping.guest_ids):
                text = f"nullif({text}, {quote_text(guest)})"
        return text

    def _build_moment(self, name: str) -> str:
        """Return the expression of a UTC time.

        A time without an offset is in the import's time zone, which is that of the connection.
        """
        raw = f"raw_{name}"
        data_type = self.types[name]
        if pa.types.is_timestamp(data_type) and data_type.tz is None and self.options.timezone == "UTC":
            return f"CAST({raw} AS TIMESTAMP)"
        if not is_text(data_type):
            return f"timezone('UTC', TRY_CAST({raw} AS TIMESTAMPTZ))"
        # remove the space before the offset in "2026-05-17 09:30:00 +0200", as Shopify writes it
        text = f"regexp_replace({raw}, ' +([-+][0-9]{{2}}:?([0-9]{{2}})?)$', '\\1')"
        text = f"CASE WHEN regexp_matches({raw}, '^[0-9]{{4}}[-/]') THEN {text} END"
        tries = [f"TRY_CAST({text} AS TIMESTAMPTZ)"]
        if self.mapping.date_formats:
            formats = ", ".join(quote_text(text) for text in self.mapping.date_formats)
            squeezed = f"regexp_replace({raw}, ' +', ' ', 'g')"
            tries.insert(0, f"CAST(try_strptime({squeezed}, [{formats}]) AS TIMESTAMPTZ)")
        return f"timezone('UTC', coalesce({', '.join(tries)}))"

    def _build_status(self) -> str:
        """Return the expression of the order status.

        A cancellation overrides the payment status, which overrides the order status. "Placed" overrides nothing.
        """
        candidates = []
        if self.mapping.has("cancelled_at"):
            candidates.append("CASE WHEN raw_cancelled_at IS NOT NULL THEN 'cancelled' END")
        words = [self._build_status_match(name) for name in ("financial_status", "status") if self.mapping.has(name)]
        candidates += [f"nullif({word}, 'placed')" for word in words]
        candidates += words
        return f"coalesce({', '.join(candidates)}, NULL)" if candidates else "CAST(NULL AS VARCHAR)"

    def _build_status_match(self, name: str) -> str:
        """Return the expression that maps a shop system's status to ours, NULL if it is unknown."""
        word = f"regexp_replace(regexp_replace(lower(CAST(raw_{name} AS VARCHAR)), '[ -]+', '_', 'g'), '^wc_', '')"
        cases = " ".join(
            f"WHEN {word} IN ({', '.join(quote_text(word) for word in words.split())}) THEN {quote_text(str(status))}"
            # the translations come last: rows with a status of the first words are not compared with them
            for status, words in (*STATUS_WORDS.items(), *TRANSLATED_STATUS_WORDS.items())
        )
        own = " ".join(
            f"WHEN {word} = {quote_text(text)} THEN {quote_text(status)}"
            for text, status in self.mapping.statuses.items()
        )
        return f"CASE WHEN raw_{name} IS NULL THEN NULL {own} {cases} END"

    def _build_signed_discount(self) -> str:
        """Return the expression of the discount column with the sign of the quantity.

        Files use either sign.
        """
        if not self.mapping.has("line_discount"):
            return f"CAST(NULL AS {MONEY.sql_type})"
        return "sign(quantity) * abs(coalesce(line_discount, 0))"

    def _build_signed_total(self) -> str:
        """Return the expression of the line total, negative for returned items."""
        return "CASE WHEN quantity < 0 THEN -abs(line_total) ELSE line_total END"

    def _build_discount(self) -> str:
        """Return the expression of the discount.

        Without a discount column it is price × quantity − total, unless that difference is within rounding.
        """
        difference = "round(gross - net, 2)"
        is_significant = f"abs(gross - net) > {self._build_tolerance()} AND sign(gross - net) = sign(quantity)"
        return f"coalesce(signed_discount, CASE WHEN {is_significant} THEN {difference} ELSE 0 END)"

    def _build_unit_price(self) -> str:
        """Return the expression of the unit price, NULL if it is too large; without a price column it is computed."""
        computed = "CASE WHEN quantity <> 0 THEN (net + discount) / quantity END"
        return f"TRY_CAST(coalesce(unit_price, {computed}, 0) AS {UNIT_PRICE.sql_type})"

    def _build_tolerance(self) -> str:
        """Return the expression of the largest difference that rounding explains.

        It is one cent per item, plus one cent for the line.
        """
        return "(0.01 * abs(quantity) + 0.01)"

    def _build_problem(self, latest: str) -> str:
        """Return the expression of a row's first problem as ``code:field``, or of all problems of its values."""
        if self.options.lists_all_problems:
            cases = [
                f"CASE WHEN {condition} THEN {quote_text(problem)} END"
                for condition, problem in [
                    *self._list_identity_checks(latest),
                    ("raw_placed_at IS NULL", "missing_date:placed_at"),
                    *self._list_amount_checks(),
                    (self._build_price_check(), f"missing_price:{self._get_price_field()}"),
                    *self._list_code_checks(),
                ]
            ]
            return f"nullif(concat_ws(' ', {', '.join(cases)}), '')"
        checks = [
            *self._list_identity_checks(latest),
            *self._list_amount_checks(),
            *self._list_combined_checks(),
            *self._list_code_checks(),
        ]
        return (
            "CASE " + " ".join(f"WHEN {condition} THEN {quote_text(problem)}" for condition, problem in checks) + " END"
        )

    def _list_identity_checks(self, latest: str) -> list[tuple[str, str]]:
        """Return condition and problem for the IDs and the date."""
        lengths = [(name, size) for name, size in ID_LENGTHS.items() if self.mapping.has(name)]
        return [
            ("order_id IS NULL", "missing_order_id:order_id"),
            ("product_id IS NULL", "missing_product:product_id"),
            *((f"length({name}) > {size}", f"too_long:{name}") for name, size in lengths),
            # a quotation mark that is closed in a later row makes one ID of the lines between
            *((f"regexp_matches({name}, '[[:cntrl:]]')", f"bad_characters:{name}") for name, _size in lengths),
            ("raw_placed_at IS NOT NULL AND placed_at IS NULL", "bad_date:placed_at"),
            (f"placed_at < TIMESTAMP {quote_text(f'{settings.SHOP_FOUNDED} 00:00:00')}", "before_founding:placed_at"),
            (f"placed_at > {latest}", "future_date:placed_at"),
        ]

    def _list_amount_checks(self) -> list[tuple[str, str]]:
        """Return condition and problem for each number on its own."""
        checks = [("raw_quantity IS NULL", "missing_quantity:quantity")]
        checks += [
            (f"raw_{name} IS NOT NULL AND {name} IS NULL", f"bad_number:{name}")
            for name in NUMBERS
            if self.mapping.has(name)
        ]
        if not self.options.keep_zero_quantity:
            checks.append(("quantity = 0", "zero_quantity:quantity"))
        checks.append(("unit_price < 0", "negative_price:unit_price"))
        checks.append(("line_total < 0 AND quantity >= 0", "negative_price:line_total"))
        return checks

    def _build_price_check(self) -> str:
        """Return the condition that a row has no value for any price."""
        names = [name for name in ("unit_price", "line_total") if self.mapping.has(name)]
        return " AND ".join(f"raw_{name} IS NULL" for name in names) or "true"

    def _list_combined_checks(self) -> list[tuple[str, str]]:
        """Return condition and problem for the numbers of a row together."""
        checks = [
            ("unit_price IS NULL AND line_total IS NULL", f"missing_price:{self._get_price_field()}"),
            ("quantity < 0 AND coalesce(signed_total, gross) = 0", "stock_movement:quantity"),
        ]
        if self.mapping.has("line_total") and self.mapping.has("unit_price"):
            checks.append(
                (
                    f"quantity <> 0 AND abs(gross - discount - net) > {self._build_tolerance()}",
                    "total_mismatch:line_total",
                )
            )
        checks.append(
            (
                f"abs(net) >= 1e12 OR TRY_CAST(discount AS {MONEY.sql_type}) IS NULL OR {self._build_unit_price()} IS NULL",
                f"bad_number:{self._get_price_field()}",
            )
        )
        return checks

    def _list_code_checks(self) -> list[tuple[str, str]]:
        """Return condition and problem for the line number, the currency and the statuses."""
        has = self.mapping.has
        checks: list[tuple[str, str]] = []
        if has("line_number"):
            checks.append(("line_number IS NULL OR line_number < 0", "bad_line_number:line_number"))
        if has("currency"):
            codes = ", ".join(quote_text(code) for code in sorted(get_known_currencies()))
            checks.append((f"currency NOT IN ({codes})", "unknown_currency:currency"))
        checks += [
            (f"raw_{name} IS NOT NULL AND ({self._build_status_match(name)}) IS NULL", f"unknown_status:{name}")
            for name in ("status", "financial_status")
            if has(name)
        ]
        return checks

    def _get_price_field(self) -> str:
        return "unit_price" if self.mapping.has("unit_price") else "line_total"


def is_text(data_type: pa.DataType) -> bool:
    """Return whether the values of a column have to be parsed as text."""
    return not (
        pa.types.is_integer(data_type)
        or pa.types.is_floating(data_type)
        or pa.types.is_decimal(data_type)
        or pa.types.is_temporal(data_type)
        or pa.types.is_boolean(data_type)
    )


def trim_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column without white space around its texts.

    NUL is removed, too: PostgreSQL cannot store it.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column
    column = pc.utf8_trim_whitespace(column)
    if pc.any(pc.match_substring(column, "\0")).as_py():
        column = pc.replace_substring(column, "\0", "")
    return column
