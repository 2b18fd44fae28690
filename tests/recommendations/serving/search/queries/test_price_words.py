"""Prices in words."""

from decimal import Decimal

import pytest

from recommendations.serving.search.queries.price_words import PriceWords, parse_price_words


@pytest.mark.parametrize(
    ("query", "words", "low", "high"),
    [
        ("milk under 2 dollars", "milk", None, "2"),
        ("cheese under $3", "cheese", None, "3"),
        ("eggs under 2", "eggs", None, "2"),
        ("wine over 10 dollars", "wine", "10", None),
        ("toothpaste between 2 and 4 dollars", "toothpaste", "2", "4"),
        ("wine between $5 and $10", "wine", "5", "10"),
        ("cereal $2 to $3", "cereal", "2", "3"),
        ("wine 5-10 dollars", "wine", "5", "10"),
        ("$10-$5 wine", "wine", "5", "10"),
        ("yogurt at most 60 cents", "yogurt", None, "0.6"),
        ("20 dollars or less wine", "wine", None, "20"),
        ("players under 1,000.50 dollars", "players", None, "1000.50"),
        ("shoes less than £50 for men", "shoes for men", None, "50"),
        ("under €5", "", None, "5"),
        ("牛奶 3元以下", "牛奶", None, "3"),
        ("200元以下的耳机", "耳机", None, "200"),
        ("不超过20元的茶", "茶", None, "20"),
        ("奶酪 2到4元", "奶酪", "2", "4"),
        ("耳机100-200元", "耳机", "100", "200"),
        ("咖啡 5元以上", "咖啡", "5", None),
        ("100块以内", "", None, "100"),
        ("1,200元以下的手机", "手机", None, "1200"),
        ("1234567元以下", "", None, "1234567"),
        ("¥50以内 茶", "茶", None, "50"),
        ("between $5 and 10 wine", "wine", "5", "10"),
        ("2 liter soda under 3", "2 liter soda", None, "3"),
        ("makeup under five dollars", "makeup", None, "5"),
        ("eggs two dollars or less", "eggs", None, "2"),
        ("wine between five and ten dollars", "wine", "5", "10"),
        ("shoes under a hundred dollars", "shoes", None, "100"),
        ("十元以下的牛奶", "牛奶", None, "10"),
        ("耳机 一百二十元以内", "耳机", None, "120"),
        ("两块钱以内 茶", "茶", None, "2"),
        ("耳机一百五块以下", "耳机", None, "150"),
        ("一百零五元以下的耳机", "耳机", None, "105"),
        ("两千三块以下的手机", "手机", None, "2300"),
        ("一万两千三百元以下", "", None, "12300"),
        ("十五元以下", "", None, "15"),
        ("1万元以下的电脑", "电脑", None, "10000"),
        ("1.5万元以下的电脑", "电脑", None, "15000"),
        ("万元以下的电脑", "电脑", None, "10000"),
        ("¥2万以内 电脑", "电脑", None, "20000"),
        ("3千5块以下的手机", "手机", None, "3500"),
        ("三百二元到五百元的耳机", "耳机", "320", "500"),
        ("一百五到两百元的耳机", "耳机", "150", "200"),
        ("1-2万元的电脑", "电脑", "10000", "20000"),
        ("五到二十元的茶", "茶", "5", "20"),
        ("五十到一百元的茶", "茶", "50", "100"),
        ("1万元到12,000元的电脑", "电脑", "10000", "12000"),
        ("candy from 50 cents to 2 dollars", "candy", "0.5", "2"),
        ("candy between 50 cents and $2", "candy", "0.5", "2"),
        ("candy 50-90 cents", "candy", "0.5", "0.9"),
        ("candy 50 cents or less", "candy", None, "0.5"),
    ],
)
def test_prices_become_limits(query: str, words: str, low: str | None, high: str | None) -> None:
    limits = (None if low is None else Decimal(low), None if high is None else Decimal(high))
    assert parse_price_words(query) == PriceWords(words, *limits)


@pytest.mark.parametrize(
    "query",
    [
        "", "milk", "7 up", "toys under 2 years", "over 16 oz soda", "12 to 18 months diapers", "12-24 pk", "iphone 15 以上", "under the sea",
        "vitamins for women over 50",
        "games for kids under 5", "iphone 15 pro max 256", "pillow at least 20", "crayons for kids between 2 and 4",
        "帐篷 最多3人", "大米 不超过5公斤",
        "2 dollars", "from 9 lives", "five spice", "from one to five", "三只松鼠", "1.7 l kettle", "5 元", "三元牛奶", "百元耳机",
        "几万元以下", "1万2千元以下", "万和热水器", "five dollars", "wine 2015-2018", "more than a feeling",
    ],
)  # fmt: skip
def test_other_numbers_stay_words(query: str) -> None:
    assert parse_price_words(query) == PriceWords(query)
