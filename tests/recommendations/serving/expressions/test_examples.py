"""The examples of the documentation are valid and find products, in both languages."""

import re

import pytest

from recommendations.serving.expressions.attributes import OPERATORS_OF_KIND, PRODUCT_ATTRIBUTES
from recommendations.serving.expressions.expression import bind_expression
from recommendations.serving.expressions.parsing import parse_boosts, parse_filter
from tests.child_processes import PROJECT
from tests.recommendations.serving.expressions.product_tables import NOW, make_index
from tests.recommendations.serving.expressions.test_product_masks import PRODUCTS

PAGES = [PROJECT / "docs" / name for name in ("expressions.md", "expressions.zh-hans.md")]
ROW = re.compile(r"^\| `([^`]{1,200})` \| [^|]{1,200} \|$", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_are_valid(page) -> None:  # type: ignore[no-untyped-def]
    text = page.read_text(encoding="utf-8")
    examples = ROW.findall(text.partition("## ")[2].partition("\n## ")[0])
    assert len(examples) == 10
    index = make_index(PRODUCTS)
    for example in examples:
        mask = index.get_expression_mask(bind_expression(parse_filter(example), NOW))
        assert mask.dtype == bool
        assert len(mask) == index.n
    for example in re.findall(r"filter=([^\n&]{1,200})", text):
        parse_filter(example)
    for example in re.findall(r"boost=([^\n&]{1,200})", text):
        assert len(parse_boosts(example)) == 2


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_attribute_and_operator_is_documented(page) -> None:  # type: ignore[no-untyped-def]
    words = set(re.findall(r"[a-z_]{2,40}", page.read_text(encoding="utf-8")))
    assert set(PRODUCT_ATTRIBUTES) <= words
    assert {op for operators in OPERATORS_OF_KIND.values() for op in operators} <= words
