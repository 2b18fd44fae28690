"""Chinese names, salutations, addresses and cities."""

import pytest

from customers.identity.personal_data.chinese_addresses import ChineseAddress, normalize_city, parse_chinese_address
from customers.identity.personal_data.chinese_names import build_salutation, join_name, split_chinese_name
from customers.identity.personal_data.cities import find_city


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("王小明", ("王", "小明")),
        ("欧阳娜娜", ("欧阳", "娜娜")),
        ("司马光", ("司马", "光")),
        ("欧阳", ("欧", "阳")),
        ("阿凡提·买买提", ("", "阿凡提·买买提")),
        ("Anna Berg", ("", "AnnaBerg")),
    ],
)
def test_the_surname_comes_first(name: str, parts: tuple[str, str]) -> None:
    assert split_chinese_name(name) == parts


def test_names_are_joined_and_people_addressed_in_their_order() -> None:
    assert (join_name("小明", "王"), join_name("Anna", "Berg"), join_name("", "王")) == ("王小明", "Anna Berg", "王")
    assert build_salutation("王小明", "male") == "王先生"
    assert build_salutation("欧阳 娜娜", "女") == "欧阳女士"
    assert build_salutation("王小明", None) == "王小明"
    assert build_salutation("Anna Berg", "female") == "Anna"
    assert build_salutation("", "female") == ""


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("浙江省杭州市西湖区文三路1号", ChineseAddress("浙江省", "杭州", "西湖区", "文三路1号")),
        ("上海市 浦东新区 世纪大道100号", ChineseAddress("上海市", "上海", "浦东新区", "世纪大道100号")),
        ("北京市市辖区朝阳区建国路88号", ChineseAddress("北京市", "北京", "朝阳区", "建国路88号")),
        ("广西壮族自治区桂林市阳朔县西街", ChineseAddress("广西壮族自治区", "桂林", "阳朔县", "西街")),
        ("云南省大理白族自治州大理市古城", ChineseAddress("云南省", "大理白族自治州", "大理市", "古城")),
        ("深圳市南山区科技园", ChineseAddress("", "深圳", "南山区", "科技园")),
        ("12 Main Street", ChineseAddress(street="12 Main Street")),
    ],
)
def test_an_address_has_province_city_and_district(text: str, address: ChineseAddress) -> None:
    assert parse_chinese_address(text) == address


def test_spellings_of_a_city_are_one_city() -> None:
    assert {normalize_city("上海"), normalize_city("上海市"), normalize_city("市辖区", province="上海市")} == {"上海"}
    assert (normalize_city("Ulm"), normalize_city("沙市")) == ("Ulm", "沙市")
    assert find_city({"市": "市辖区", "省": "上海市"}) == find_city({"地址": "上海市静安区南京西路"}) == "上海"
    assert find_city({"address": {"city": "杭州市"}}) == "杭州"
    assert find_city({"address": "12 Main Street"}) == ""
