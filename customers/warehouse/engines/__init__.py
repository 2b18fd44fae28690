"""The engines that run the expressions of the warehouse: DuckDB in this process, Spark, or ClickHouse.

The expressions are the same for all; each engine has one module for what must differ.
"""
