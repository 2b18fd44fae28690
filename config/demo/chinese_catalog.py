"""Chinese titles and categories of the Complete Journey: the same structure, with labels translated for this project.

Types that sell little have no translation; their products are named after the category.
"""

import re
from functools import cache
from importlib.resources import files

from catalog.categories import clean_path

UNITS = {
    "OZ": "盎司", "FZ": "液盎司", "LB": "磅", "LBS": "磅", "ML": "毫升", "L": "升", "LT": "升", "LTR": "升", "GAL": "加仑", "GA": "加仑",
    "QT": "夸脱", "PT": "品脱", "CT": "件", "PK": "包", "DZ": "打", "DOZ": "打", "G": "克", "GM": "克", "EA": "个", "FT": "英尺", "YD": "码",
    "IN": "英寸", "SQ": "平方", "PC": "件", "ROLL": "卷", "RL": "卷", "SHEETS": "张",
}  # fmt: skip
QUALIFIERS = frozenset({"PREMIUM", "MAINSTREAM", "TRADITIONAL", "ECONOMY", "BETTER FOR YOU", "FRESH"})


@cache
def read_labels() -> dict[str, str]:
    """Return label of the package → Chinese label."""
    lines = files("config.demo").joinpath("chinese_labels.tsv").read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines if line and not line.startswith("#"))


@cache
def build_chinese_path(department: str, category: str | None, kind: str | None) -> str:
    """Return department, category and type as a category path, without levels that have no translation."""
    labels = read_labels()
    levels = [labels.get(name, "") for name in (department, category or "", kind or "")]
    return clean_path([level for number, level in enumerate(levels) if level and level not in levels[:number]])


@cache
def build_chinese_title(kind: str | None, category: str | None, department: str, package_size: str | None) -> str:
    """Return a title such as ``酸奶 单杯 6盎司``."""
    labels = read_labels()
    name = labels.get(kind or "", "")
    group = labels.get(category or "") or labels[department]
    if not name:
        name = group
    elif kind in QUALIFIERS:
        name = f"{group} {name}"
    return f"{name} {format_size(package_size)}" if package_size else name


def format_size(size: str) -> str:
    text = re.sub(r"[A-Z]+", lambda found: UNITS.get(found[0], found[0].lower()), size)
    return "".join(text.split())
