"""Chinese addresses: 省, 市, 区 from the largest to the smallest, in one text or in columns of their own."""

import re
from dataclasses import dataclass

MUNICIPALITIES = ("北京", "上海", "天津", "重庆")
REGIONS = ("内蒙古", "广西", "西藏", "宁夏", "新疆", "香港", "澳门")
_NAME = r"[\u4e00-\u9fff]"
PROVINCE = re.compile(
    rf"(?:{'|'.join(MUNICIPALITIES)})市?|{_NAME}{{2,3}}省|(?:{'|'.join(REGIONS)})(?:壮族|回族|维吾尔)?(?:自治区|特别行政区)?"
)
CITY = re.compile(rf"{_NAME}{{2,7}}?(?:自治州|地区|盟|市)")
DISTRICT = re.compile(rf"{_NAME}{{1,9}}?(?:自治县|林区|新区|区|县|旗|市)")
PLACEHOLDERS = frozenset({"市辖区", "县", "省直辖县级行政区划", "自治区直辖县级行政区划"})
CHINESE_CITY = re.compile(rf"{_NAME}{{2,}}市")


@dataclass(frozen=True)
class ChineseAddress:
    """The parts of an address; empty where the text has none. street: the rest."""

    province: str = ""
    city: str = ""
    district: str = ""
    street: str = ""


def parse_chinese_address(text: str) -> ChineseAddress:
    """Return the parts of a text such as 浙江省杭州市西湖区文三路1号; a text that does not begin with a province or city is a street."""
    rest = re.sub(r"\s+", "", text[:300]).removeprefix("中国")
    province = PROVINCE.match(rest)
    rest = rest[province.end() :] if province else rest
    for placeholder in sorted(PLACEHOLDERS - {"县"}):
        rest = rest.removeprefix(placeholder)
    is_municipality = province is not None and province[0].removesuffix("市") in MUNICIPALITIES
    city = None if is_municipality else CITY.match(rest)
    rest = rest[city.end() :] if city else rest
    if province is None and city is None:
        return ChineseAddress(street=text.strip()[:300])
    district = DISTRICT.match(rest)
    name = province[0] if province is not None and is_municipality else city[0] if city else ""
    return ChineseAddress(
        province=province[0] if province else "",
        city=normalize_city(name),
        district=district[0] if district else "",
        street=rest[district.end() :] if district else rest,
    )


def normalize_city(name: str, *, province: str = "") -> str:
    """Return one spelling of a city: 上海 for 上海市, and for 市辖区 of 上海市; other names stay."""
    text = name.strip()
    if text in PLACEHOLDERS or (not text and province.strip().removesuffix("市") in MUNICIPALITIES):
        text = province.strip()
    return text.removesuffix("市") if CHINESE_CITY.fullmatch(text) else text
