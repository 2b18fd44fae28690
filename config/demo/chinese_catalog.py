"""Chinese titles and categories of the Complete Journey: the same structure, with labels translated for this project.

Types that sell little have no translation; their products are named after the category. Package sizes are converted to metric units.
"""

import re
from collections.abc import Iterator
from functools import cache

from catalog.categories import clean_path
from config.demo.label_tables import LabelLevel, read_labels

LABELS = "chinese_labels.tsv"
GRAMS = {"OZ": 28.35, "Z": 28.35, "LB": 453.6, "LBS": 453.6, "G": 1.0, "GM": 1.0, "KG": 1000.0}
MILLILITERS = {
    "ML": 1.0,
    "L": 1000.0,
    "LT": 1000.0,
    "LTR": 1000.0,
    "FZ": 29.57,
    "GAL": 3785.0,
    "GA": 3785.0,
    "QT": 946.0,
    "PT": 473.0,
}
FLUID_OUNCE = 29.57
COUNTS = {"CT": "件", "PK": "包", "PC": "件", "EA": "个", "ROLL": "卷", "RL": "卷", "SHEETS": "张", "DZ": "打", "DOZ": "打", "CUP": "杯",
          "STEM": "枝", "STEMS": "枝", "LOADS": "次量", "LOAD": "次量", "LD": "次量", "LDS": "次量"}  # fmt: skip
LENGTHS = {"FT": 30.48, "IN": 2.54, "YD": 91.44, "CM": 1.0}
WORDS = {"LARGE": "大号", "MED": "中号", "MEDIUM": "中号", "SMALL": "小号", "MINI": "迷你装", "HALF GAL": "1.9升"}
# Categories whose ounces are fluid ounces, and those whose pieces are eggs.
DRINKS = frozenset(
    {
        "SOFT DRINKS", "FLUID MILK PRODUCTS", "CANNED JUICES", "REFRGRATD JUICES/DRNKS", "WATER - CARBONATED/FLVRD DRINK", "BEERS/ALES",
        "ISOTONIC DRINKS", "WATER", "NEW AGE", "NON-DAIRY BEVERAGES", "NDAIRY/TEAS/JUICE/SOD", "FRZN JCE CONC/DRNKS", "JUICE", "BEVERAGE",
        "LAUNDRY DETERGENTS", "BLEACH", "SHORTENING/OIL", "SALD DRSNG/SNDWCH SPRD",
    }
)  # fmt: skip
EGGS = "EGGS"
MAX_DENOMINATOR = 8  # of a fraction: 3/4 OZ is one, 6/12 OZ is six of twelve ounces
QUALIFIERS = frozenset(
    {
        "PREMIUM", "MAINSTREAM", "TRADITIONAL", "ECONOMY", "BETTER FOR YOU", "FRESH", "VALUE", "PRIMAL", "LEAN", "ENHANCED", "PRE-COOKED",
        "VARIETY PACK", "FLAVORED/OTHER", "PAILS", "QUARTS", "PREMIUM PINTS", "SUPER PREMIUM PINTS",
    }
)  # fmt: skip

_SIZE = re.compile(
    r"(?<![\d.])(?:(\d{1,9}) )?((?:\d{1,9}/)?(?:\d{1,9}(?:\.\d{1,9})?|\.\d{1,9}))[ -]{0,9}([A-Z]{1,20})\b"
)
_BARE_UNIT = re.compile(r"(?:[A-Z]+ +)*(PT|QT|GAL|LB|L|DZ)")


@cache
def translate_label(label: str | None, level: LabelLevel) -> str:
    """Return the text of a label; without one, that of a higher level; empty without a translation."""
    labels, levels = read_labels(LABELS), list(LabelLevel)
    higher = levels[levels.index(level) :: -1]
    return next((labels[one][label] for one in higher if label in labels[one]), "") if label else ""


@cache
def build_chinese_path(department: str, category: str | None, kind: str | None) -> str:
    """Return department, category and type as a category path, without levels that have no translation."""
    levels = [
        translate_label(department, LabelLevel.DEPARTMENT),
        translate_label(category, LabelLevel.CATEGORY),
        translate_label(kind, LabelLevel.TYPE),
    ]
    return clean_path([level for number, level in enumerate(levels) if level and level not in levels[:number]])


@cache
def build_chinese_title(kind: str | None, category: str | None, department: str, package_size: str | None) -> str:
    """Return a title such as ``酸奶 单杯 170克``."""
    name = translate_label(kind, LabelLevel.TYPE)
    group = translate_label(category, LabelLevel.CATEGORY) or translate_label(department, LabelLevel.DEPARTMENT)
    if not name:
        name = group
    elif kind in QUALIFIERS:
        name = f"{group} {name}"
    return f"{name} {format_size(package_size or '', category)}".rstrip()


def format_size(size: str, category: str | None = None) -> str:
    """Return a package size in metric units, such as ``6包×355毫升`` for ``6 PK/12 OZ``; empty if it contains no size."""
    text = " ".join(size.upper().split())
    if text in WORDS:
        return WORDS[text]
    if bare := _BARE_UNIT.fullmatch(text):
        text = f"1 {bare[1]}"
    return "×".join(_format_parts(text, category))


def _format_parts(text: str, category: str | None) -> Iterator[str]:
    for whole, number, unit in _SIZE.findall(text):
        packs, _slash, each = number.rpartition("/")
        if (
            packs
            and float(each)
            and int(packs) < float(each)
            and not float(each) % 1
            and float(each) <= MAX_DENOMINATOR
        ):
            value = int(packs) / float(each) + int(whole or 0)  # such as 15 1/4 OZ
        else:  # such as 6/12 OZ: six of twelve ounces
            value = float(each)
        part = _format_part(value, unit, category) if value else ""
        if part and packs and value == float(each):
            yield packs
        if part:
            yield part


def _format_part(value: float, unit: str, category: str | None) -> str:
    if unit in COUNTS:
        return f"{value:g}{'枚' if category == EGGS and unit == 'CT' else COUNTS[unit]}"
    if unit in LENGTHS:
        return (
            f"{value * LENGTHS[unit]:.0f}厘米"
            if value * LENGTHS[unit] < 1000
            else f"{value * LENGTHS[unit] / 100:.1f}米"
        )
    is_fluid = unit in MILLILITERS or (unit == "OZ" and category in DRINKS)
    if is_fluid:
        return _format_amount(value * MILLILITERS.get(unit, FLUID_OUNCE), "毫升", "升")
    return _format_amount(value * GRAMS[unit], "克", "千克") if unit in GRAMS else ""


def _format_amount(amount: float, small: str, large: str) -> str:
    return f"{amount:.0f}{small}" if amount < 1000 else f"{amount / 1000:.2g}{large}"
