"""The functions that differ between engines. Everything else in the questions is plain Ibis.

On ClickHouse Ibis compiles `nunique()` and `quantile()` to approximations, so both are here and nowhere else.
"""

from collections.abc import Callable

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

SECOND = 1_000_000


MOMENT = dt.Timestamp(timezone="UTC")


@ibis.udf.scalar.builtin(signature=((MOMENT,), dt.int64))
def epoch_us(moment):  # type: ignore[no-untyped-def]
    """Return microseconds since 1970 (DuckDB)."""


@ibis.udf.scalar.builtin(signature=((dt.string, dt.string), dt.string))
def json_extract_string(document, path):  # type: ignore[no-untyped-def]
    """Return the value at a JSON pointer as text (DuckDB)."""


@ibis.udf.scalar.builtin(signature=((MOMENT,), dt.int64))
def unix_micros(moment):  # type: ignore[no-untyped-def]
    """Return microseconds since 1970 (Spark)."""


@ibis.udf.scalar.builtin(signature=((dt.string, dt.string), dt.string))
def get_json_object(document, path):  # type: ignore[no-untyped-def]
    """Return the value at a JSON path as text (Spark)."""


@ibis.udf.scalar.builtin(name="toUnixTimestamp64Micro", signature=((MOMENT,), dt.int64))
def to_unix_timestamp_micro(moment):  # type: ignore[no-untyped-def]
    """Return microseconds since 1970 (ClickHouse)."""


@ibis.udf.scalar.builtin(name="JSONExtractString", signature=((dt.string, dt.string), dt.string))
def json_extract_text(document, key):  # type: ignore[no-untyped-def]
    """Return the text at a key (ClickHouse)."""


@ibis.udf.scalar.builtin(name="JSONExtractRaw", signature=((dt.string, dt.string), dt.string))
def json_extract_raw(document, key):  # type: ignore[no-untyped-def]
    """Return the JSON at a key (ClickHouse)."""


@ibis.udf.agg.builtin(name="uniqExact", signature=((dt.int64,), dt.int64))
def unique_exact(value):  # type: ignore[no-untyped-def]
    """Return the exact number of different values (ClickHouse)."""


@ibis.udf.agg.builtin(name="quantileExactInclusive", signature=((dt.float64,), dt.float64))
def quantile_exact(value):  # type: ignore[no-untyped-def]
    """Return the exact median (ClickHouse)."""


class EngineFunctions:
    """The functions of DuckDB; a subclass overrides what another engine calls differently."""

    name = "duckdb"

    def to_microseconds(self, moment: ir.TimestampValue) -> ir.IntegerValue:
        """Return microseconds since 1970."""
        return epoch_us(moment)

    def read_property(self, properties: ir.StringValue, name: str) -> ir.StringValue:
        """Return a property of a JSON text as text; NULL if it is missing, null or empty."""
        pointer = "/" + name.replace("~", "~0").replace("/", "~1")
        return json_extract_string(properties, pointer).nullif("")

    def count_distinct(self, value: ir.Value) -> ir.IntegerScalar:
        """Return the exact number of different values."""
        return value.nunique()

    def quantile(self, value: ir.NumericValue, share: float) -> ir.NumericScalar:
        """Return a quantile, interpolated between the two nearest values."""
        return value.cast("float64").quantile(share)


class SparkFunctions(EngineFunctions):
    """The functions of Spark."""

    name = "pyspark"

    def to_microseconds(self, moment: ir.TimestampValue) -> ir.IntegerValue:
        """Return microseconds since 1970."""
        return unix_micros(moment)

    def read_property(self, properties: ir.StringValue, name: str) -> ir.StringValue:
        """Return a property of a JSON text as text; names with an apostrophe cannot be read."""
        return get_json_object(properties, f"$['{name}']").nullif("")


class ClickHouseFunctions(EngineFunctions):
    """The functions of ClickHouse, with exact counts and quantiles."""

    name = "clickhouse"

    def to_microseconds(self, moment: ir.TimestampValue) -> ir.IntegerValue:
        """Return microseconds since 1970; the column must be a DateTime64(6)."""
        return to_unix_timestamp_micro(moment)

    def read_property(self, properties: ir.StringValue, name: str) -> ir.StringValue:
        """Return a property of a JSON text as text."""
        text, raw = json_extract_text(properties, name).nullif(""), json_extract_raw(properties, name)
        return ibis.coalesce(text, raw.nullif("").nullif("null").nullif('""'))

    def count_distinct(self, value: ir.Value) -> ir.IntegerScalar:
        """Return the exact number of different values; `nunique` would be an approximation."""
        return unique_exact(value.cast("int64"))

    def quantile(self, value: ir.NumericValue, share: float) -> ir.NumericScalar:
        """Return the exact median; other quantiles are approximations."""
        return quantile_exact(value.cast("float64")) if share == 0.5 else super().quantile(value, share)


ENGINES: dict[str, Callable[[], EngineFunctions]] = {
    engine.name: engine for engine in (EngineFunctions, SparkFunctions, ClickHouseFunctions)
}
