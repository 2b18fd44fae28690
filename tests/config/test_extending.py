"""Every example of `docs/extending.md`, applied to a copy of the project and run there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from config.settings import BASE_DIR

PAGE = BASE_DIR / "docs" / "extending.md"
BLOCK = re.compile(r"^```(python|diff) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ROOMS = ("catalog", "config", "customers", "recommendations")
CHECKS = {
    "An algorithm": """
import numpy as np
from recommendations.engine import ALGORITHMS, Interactions
from recommendations.training.tuning.search_space import CANDIDATES
assert "reach" in CANDIDATES
events = Interactions.from_ids(user_ids=["a", "b", "b", "b"], item_ids=["tea", "tea", "cup", "cup"])
model = ALGORITHMS["reach"]().fit(events)
assert dict(zip(events.items.get_ids(np.arange(2)), model.counts_.tolist())) == {"tea": 2, "cup": 1}
""",
    "A lifecycle stage": """
from customers.lifecycle.models import Stage
from customers.lifecycle.rest.serializers import StageSerializer
from customers.segments.conditions.fields import find_field
assert Stage("vip").label == "VIP"
assert "vip" in dict(find_field("stage").choices)
assert "vip" in StageSerializer().fields["key"].choices
""",
    "A profile field with its segment condition": """
from customers.lifecycle.models import CustomerProfile
from psycopg import sql
from customers.lifecycle.refresh.columns import make_insert_columns
from customers.lifecycle.rest.serializers import CountersSerializer
from customers.segments.conditions.fields import find_field
assert find_field("returned_units") is not None
assert "returned_units" in CountersSerializer().fields
parts = dict.fromkeys(("stages", "since", "next_change", "as_of"), sql.SQL("x"))
assert any("returned_units" in repr(column) for column, _value in make_insert_columns(parts))
""",
    "An import preset": """
from customers.orders.imports.presets.registry import PRESETS
assert PRESETS["prestashop"].columns["order_id"] == ("reference",)
""",
    "A chart": """
from config.foundation.charts import CHART_TYPES
spec = CHART_TYPES["donut"](labels=["a", "b"], values=[1, 2])
assert spec["traces"][0]["values"] == [1, 2]
""",
}


def read_sections() -> dict[str, str]:
    parts = re.split(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def apply_block(root: Path, kind: str, path: str, text: str) -> None:
    """Write a new file, or insert the lines marked with + after the lines before them."""
    target = root / path
    if kind == "python":
        assert not target.exists()
        target.write_text(text, encoding="utf-8")
        return
    before = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("+"))
    after = "".join(line.removeprefix("+") for line in text.splitlines(keepends=True))
    source = target.read_text(encoding="utf-8")
    assert source.count(before) == 1, f"{path} does not contain once:\n{before}"
    target.write_text(source.replace(before, after), encoding="utf-8")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a copy of the project's code with every example applied."""
    root = tmp_path_factory.mktemp("extended")
    for room in ROOMS:
        shutil.copytree(BASE_DIR / room, root / room, ignore=shutil.ignore_patterns("__pycache__"))
    for kind, path, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        apply_block(root, kind, path, text)
    return root


def test_every_section_has_a_check() -> None:
    assert set(read_sections()) == set(CHECKS)


@pytest.mark.parametrize("section", CHECKS)
def test_an_example_touches_its_own_file_and_a_registry_only(section: str) -> None:
    blocks = BLOCK.findall(read_sections()[section])
    new = {path for kind, path, _text in blocks if kind == "python"}
    changed = {path for kind, path, _text in blocks if kind == "diff"}
    assert len(new) + len(changed) <= 2
    assert len(new) <= 1


def test_all_examples_run(project: Path) -> None:
    program = "import django; django.setup()\n" + "\n".join(CHECKS.values())
    process = subprocess.run([sys.executable, "-c", program], cwd=project, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr[-2000:]
