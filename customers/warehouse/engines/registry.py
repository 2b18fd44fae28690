"""The engines by key. A new engine needs its own module and one line here."""

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from customers.warehouse.engines.base import WarehouseEngine
from customers.warehouse.engines.clickhouse import ClickHouseEngine
from customers.warehouse.engines.duckdb import DuckDBEngine
from customers.warehouse.engines.spark import SparkEngine

ENGINES: dict[str, WarehouseEngine] = {
    engine.key: engine for engine in (DuckDBEngine(), SparkEngine(), ClickHouseEngine())
}


def get_job_engine() -> WarehouseEngine | None:
    """Return the engine of WAREHOUSE_ENGINE if nightly jobs run on it, None if they run in this process. Raises ImproperlyConfigured."""
    engine = get_engine()
    return engine if engine.runs_jobs else None


def get_engine() -> WarehouseEngine:
    """Return the engine of WAREHOUSE_ENGINE. Raises ImproperlyConfigured: there is none of that name."""
    key = settings.WAREHOUSE_ENGINE
    if key not in ENGINES:
        raise ImproperlyConfigured(f"WAREHOUSE_ENGINE={key!r} is not valid; valid: {', '.join(ENGINES)}.")
    return ENGINES[key]
