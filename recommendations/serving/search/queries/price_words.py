"""Prices in words, in English and Chinese: "milk under 2 dollars" and "200元以下的耳机" contain a filter."""

import re
from dataclasses import dataclass
from decimal import Decimal

_NUMBER = r"(\d{1,9}(?:,\d{3}){0,3}(?:\.\d{1,2})?|\.\d{1,2})"
_SIGN = r"(?:us|hk|nt|rmb|cny)?\s{0,3}[$€£¥￥]\s{0,3}"
_UNIT = r"(dollars?|bucks?|usd|euros?|eur|pounds? sterling|quid|gbp|yuan|rmb|cny|cents?|c(?!\w)|[$€£¥￥]|¢)"
_PRICE = rf"(?:{_SIGN}{_NUMBER}(?!\w)|{_NUMBER}\s{{0,3}}{_UNIT})"
# A bare number is a price only as an upper limit, at the end or before these words: "under 2 years" is no price.
_END = r"(?=\s{0,3}(?:$|[,;.!?]|\b(?:for|in|with|and|or|please|only|each)\b))"
_BARE_BELOW = r"(?:under|below|less than|lower than|cheaper than|up to|at most|no more than|not more than)"
_BELOW = (
    r"(?:(?:priced?|costs?|costing)\s{1,3})?(?:under|below|less than|lower than|cheaper than|up to|at most|no more than|not more than|"
    r"not over|max(?:imum)?(?: of)?|within|<=?)"
)
_ABOVE = (
    r"(?:(?:priced?|costs?|costing)\s{1,3})?(?:over|above|more than|higher than|at least|no less than|not less than|min(?:imum)?(?: of)?|"
    r"starting at|>=?)"
)
_BETWEEN = r"(?:between|from)"
_YUAN = r"(?:元钱|元|块钱|块|人民币|rmb|美元|美金|欧元|英镑|圆)"
_CNY = r"[¥￥$]\s{0,3}"
_DIGITS = r"(?<![\d.,])(\d{1,9}(?:,\d{3}){0,3}(?:\.\d{1,2})?)(?!\d)"
_CHINESE_PRICE = rf"(?:{_CNY}{_DIGITS}(?:\s{{0,3}}{_YUAN})?|{_DIGITS}\s{{0,3}}{_YUAN})"

_ENGLISH_RANGES = re.compile(
    rf"(?<!\w){_BETWEEN}\s{{1,3}}(?:{_SIGN}{_NUMBER}\s{{0,3}}(?:and|to|-|–)\s{{0,3}}(?:{_SIGN})?{_NUMBER}"
    rf"|{_NUMBER}\s{{0,3}}{_UNIT}?\s{{0,3}}(?:and|to|-|–)\s{{0,3}}{_PRICE})(?!\w)",
    re.IGNORECASE,
)
_SIGNED_RANGES = re.compile(
    rf"(?<!\w)(?:{_SIGN}{_NUMBER}\s{{0,3}}(?:to|-|–)\s{{0,3}}(?:{_SIGN})?{_NUMBER}|{_NUMBER}\s{{0,3}}(?:to|-|–)\s{{0,3}}{_NUMBER}\s{{0,3}}{_UNIT}(?!\w))(?!\w)",
    re.IGNORECASE,
)
_BELOW_ENGLISH = re.compile(rf"(?<!\w){_BELOW}\s{{0,3}}{_PRICE}(?!\w)", re.IGNORECASE)
_ABOVE_ENGLISH = re.compile(rf"(?<!\w){_ABOVE}\s{{0,3}}{_PRICE}(?!\w)", re.IGNORECASE)
_BARE_BELOW_ENGLISH = re.compile(rf"(?<!\w){_BARE_BELOW}\s{{1,3}}{_NUMBER}{_END}", re.IGNORECASE)
_OR_LESS = re.compile(
    rf"(?<!\w)(?:{_SIGN}{_NUMBER}|{_NUMBER}\s{{0,3}}{_UNIT})\s{{1,3}}(?:or|and)\s{{1,3}}(less|under|below|more|over|up|above)(?!\w)",
    re.IGNORECASE,
)
_CHINESE_RANGES = re.compile(
    rf"(?:{_CNY})?{_DIGITS}\s{{0,3}}{_YUAN}?\s{{0,3}}(?:到|至|-|~|—|–)\s{{0,3}}{_CHINESE_PRICE}(?:之间|左右)?(?:的)?"
)
_CHINESE_BELOW = re.compile(
    rf"(?:(?:不超过|不到|低于|少于|小于|最多|便宜于)\s{{0,3}}{_CHINESE_PRICE}(?:的)?"
    rf"|{_CHINESE_PRICE}\s{{0,3}}(?:以下|以内|之内|之下|内)(?:的)?)"
)
_CHINESE_ABOVE = re.compile(
    rf"(?:(?:不低于|不少于|高于|超过|大于|至少|最少)\s{{0,3}}{_CHINESE_PRICE}(?:的)?"
    rf"|{_CHINESE_PRICE}\s{{0,3}}(?:以上|之上|起)(?:的)?)"
)
# "games for kids under 5" names an age, "shoes size under 10" a size
_NOT_PRICED = frozenset(
    {"adults", "age", "aged", "ages", "babies", "boys", "children", "girls", "infants", "kids", "men", "people", "seniors", "size", "sizes",
     "teens", "toddlers", "women"}
)  # fmt: skip
_ENGLISH_NUMBERS = dict(
    zip(
        (*"one two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty fifty".split(),  # noqa: SIM905
         "sixty", "seventy", "eighty", "ninety", "hundred"),
        (*range(1, 13), 15, *range(20, 100, 10), 100), strict=True,
    )
)  # fmt: skip
_NUMBER_WORDS = re.compile(
    rf"(?<!\w)(?:(?:a|one)\s{{1,3}})?({'|'.join(_ENGLISH_NUMBERS)})(?=\s{{1,3}}(?:dollars?|bucks?|euros?|pounds? sterling|quid|yuan|cents?)(?!\w))",
    re.IGNORECASE,
)
_RANGE_NUMBERS = re.compile(
    rf"(?<!\w)(between|from)(\s{{1,3}})({'|'.join(_ENGLISH_NUMBERS)})(?=\s{{1,3}}(?:and|to)\s{{1,3}}\d)", re.IGNORECASE
)
_CHINESE_DIGITS = {digit: value for value, digit in enumerate("零一二三四五六七八九")} | {"两": 2}
_CHINESE_UNITS = {"十": 10, "百": 100, "千": 1000, "万": 10_000}
# 一百五, 1.5万, 3千5, and 100 without a Chinese character as an end of a range
_NUMERAL = r"(?:[零一二两三四五六七八九十百千万]{1,11}|\d{1,9}(?:,\d{3}){0,3}(?:\.\d{1,4})?(?:[百千万]\d?)?)"
_NUMERAL_PARTS = re.compile(r"[\d.,]{1,20}|[^\d.,]")
_CHINESE_NUMBERS = re.compile(
    rf"(?<![\d.,零一二两三四五六七八九十百千万几数])({_CNY})?({_NUMERAL})(?:(\s{{0,3}}(?:到|至|-|~|—|–)\s{{0,3}}(?:{_CNY})?)({_NUMERAL}))?"
    rf"(?![\d.百千万])(\s{{0,3}}{_YUAN})?"
)
_CENTS = re.compile(r"^(?:cents?|c|¢)$", re.IGNORECASE)


@dataclass(frozen=True)
class PriceWords:
    """A query without its price, and the price range that it names."""

    text: str
    low: Decimal | None = None
    high: Decimal | None = None

    @property
    def is_empty(self) -> bool:
        return self.low is None and self.high is None


def parse_price_words(query: str) -> PriceWords:
    """Split a query into its words and its price range; the query itself without one."""
    written = write_numbers(query)
    if not any(letter.isdigit() for letter in written):
        return PriceWords(query)
    found = find_prices(written)
    # Numbers that are no price limit stay as they were typed: 三元 is also a brand of milk
    return found if found is not None else PriceWords(query)


def find_prices(query: str) -> PriceWords | None:
    """Return the words and the price range of a query with digits; None without a price range."""
    for pattern, makes_low, makes_high in (
        (_ENGLISH_RANGES, True, True), (_SIGNED_RANGES, True, True), (_CHINESE_RANGES, True, True),
        (_CHINESE_BELOW, False, True), (_CHINESE_ABOVE, True, False),
        (_BELOW_ENGLISH, False, True), (_ABOVE_ENGLISH, True, False),
    ):  # fmt: skip
        if match := pattern.search(query):
            prices = read_prices(match)
            low, high = prices[0] if makes_low else None, prices[-1] if makes_high else None
            if low is not None and high is not None and low > high:
                low, high = high, low
            return PriceWords(remove_match(query, match), low, high)
    match = _BARE_BELOW_ENGLISH.search(query)
    if match is not None and _NOT_PRICED.isdisjoint(query[: match.start()].lower().split()[-1:]):
        return PriceWords(remove_match(query, match), high=read_prices(match)[0])
    if match := _OR_LESS.search(query):
        price, is_low = read_prices(match)[0], match[match.lastindex or 0].lower() in ("more", "over", "up", "above")
        return PriceWords(remove_match(query, match), price if is_low else None, None if is_low else price)
    return None


def write_numbers(query: str) -> str:
    """Return the query with the numbers of its prices as digits: five dollars and 十元."""
    if query.isascii():
        written = _NUMBER_WORDS.sub(lambda match: str(_ENGLISH_NUMBERS[match[1].lower()]), query)
        return _RANGE_NUMBERS.sub(lambda match: f"{match[1]}{match[2]}{_ENGLISH_NUMBERS[match[3].lower()]}", written)
    return _CHINESE_NUMBERS.sub(_write_chinese_price, query)


def _write_chinese_price(match: re.Match[str]) -> str:
    """Return a Chinese price or a range of two with digits; other numbers as they are."""
    sign, first, separator, last, unit = match.groups("")
    if not (sign or unit) or not _has_chinese(first + last):
        return match[0]
    low = read_chinese_number(first)
    if not last:
        return f"{sign}{_format(low)}{unit}"
    shared = _CHINESE_UNITS.get(last[-1], 1)
    high = read_chinese_number(last)
    # The unit of 1-2万 and 三到五百 belongs to both numbers, that of 五到二十 and 五十到一百 does not
    if shared > 10 and low * shared < high:
        low *= shared
    return f"{sign}{_format(low)}{separator}{_format(high)}{unit}"


def _has_chinese(numeral: str) -> bool:
    return not all(character.isdigit() or character in ",." for character in numeral)


def _format(number: Decimal) -> str:
    return f"{number.quantize(Decimal('0.01')):f}".rstrip("0").rstrip(".")


def read_chinese_number(text: str) -> Decimal:
    """Return the value of a numeral such as 一百二十, 两千三 (2,300), 1.5万 or 3千5 (3,500).

    A digit at the end, without 零 before it, belongs to the next lower unit: 一百五 is 150 and 一百零五 is 105.
    """
    total = section = Decimal(0)
    digit: Decimal | None = None
    last_unit = 10
    for part in _NUMERAL_PARTS.findall(text):
        if part == "零":
            last_unit = 10
        elif part == "万":
            total = (total + section + (digit or Decimal(0)) or Decimal(1)) * 10_000
            section, digit, last_unit = Decimal(0), None, 10_000
        elif unit := _CHINESE_UNITS.get(part):
            section += (digit or 1) * unit
            digit, last_unit = None, unit
        else:
            digit = Decimal(_CHINESE_DIGITS.get(part) or part.replace(",", ""))
    return total + section + (digit or Decimal(0)) * last_unit / 10


def read_prices(match: re.Match[str]) -> list[Decimal]:
    """Return the prices of a match; cents count as hundredths.

    A unit belongs to the number before it, and to an earlier number that has none: 50-90 cents, but 50 cents to 2 dollars.
    """
    prices, is_cents = [], False
    for group in reversed([group for group in match.groups() if group]):
        if group[0].isdigit() or group[0] == ".":
            number = Decimal(group.replace(",", ""))
            prices.append(number / 100 if is_cents else number)
        else:
            is_cents = _CENTS.match(group) is not None
    return prices[::-1]


def remove_match(query: str, match: re.Match[str]) -> str:
    """Return the query without the match."""
    return " ".join(f"{query[: match.start()]} {query[match.end() :]}".split())
