"""The metrics that the dashboard and the alert rules name."""

import json
import re

from config.settings import BASE_DIR

FOLDER = BASE_DIR / "docs" / "deployment" / "prometheus"
NAME = re.compile(r"\bperennial_[a-z_]+")


def read_expressions() -> list[str]:
    """Return the queries of the dashboard and of the alert rules."""
    dashboard = json.loads((FOLDER / "grafana-dashboard.json").read_text(encoding="utf-8"))
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    rules = (FOLDER / "alerts.yml").read_text(encoding="utf-8")
    return expressions + re.findall(r"^\s*expr: (.+)$", rules, re.MULTILINE)


def read_metric_names() -> set[str]:
    """Return the names without the suffixes of histograms."""
    names = {name for expression in read_expressions() for name in NAME.findall(expression)}
    return {
        name.removesuffix("_sum").removesuffix("_count") if name.endswith(("_sum", "_count")) else name
        for name in names
    }
