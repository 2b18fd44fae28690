"""The engines that run the expressions of the warehouse: DuckDB in this process, Spark, or ClickHouse.

The expressions are the same for all; what must differ between engines stands in one module per engine.
"""
