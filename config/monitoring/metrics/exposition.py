"""The metrics of all processes of this machine: each counts in files of its own, and a scrape adds them up.

`manage.py up` sets PROMETHEUS_MULTIPROC_DIR for its programs. Without it, a process shows only its own counters.
"""

import os
from contextlib import suppress
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE = CONTENT_TYPE_LATEST


def is_shared() -> bool:
    """Return whether the processes of this machine share their metrics."""
    return bool(os.environ.get(FOLDER_VARIABLE))


def build_counter_registry() -> CollectorRegistry:
    """Return the registry of what processes count."""
    if not is_shared():
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return registry


def render_metrics() -> bytes:
    """Return all metrics as text: the counters of all processes, and what collectors read now."""
    registry = build_counter_registry()
    if registry is not REGISTRY:
        from config.monitoring.metrics.collectors import OperationMetrics
        from customers.processing.metrics import ProcessingMetrics
        from recommendations.serving.impressions.metrics import ImpressionMetrics

        for collector in (OperationMetrics(), ProcessingMetrics(), ImpressionMetrics()):
            registry.register(collector)
    return generate_latest(registry)


def remove_files_of_dead_processes(folder: Path) -> int:
    """Delete the files of processes that have ended, before new ones start; return how many.

    Files are named after the process, such as counter_1234.db. Files of processes that end later are kept, so that no counter decreases.
    """
    removed = 0
    for path in folder.glob("*.db"):
        number = path.stem.rpartition("_")[2]
        if number.isdecimal() and not is_running(int(number)):
            with suppress(FileNotFoundError):
                path.unlink()
                removed += 1
    return removed


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
