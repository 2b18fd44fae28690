"""Personal data is recognized by name and by look at any depth, and the data of products and orders is not mistaken for it."""

import copy
from typing import Any

import msgspec
import pytest

from customers.identity.personal_data.personal_names import MAX_CACHED, classify_name, plain_names
from customers.identity.personal_data.personal_texts import hide_personal_text, is_personal_text
from customers.identity.personal_data.recognition import (
    extract_personal,
    is_personal,
    may_have_personal_names,
    may_look_personal,
    merge_personal,
)

PERSONAL_NAMES = """
    email e_mail EMail e-mail mail userEmail partner_email EMAIL_ADDRESS phone phone_number mobilePhone mobile tel fax whatsapp
    wechat WeChatId weixin openid open_id unionid qq QQ号 firstName first-name LastName full_name nickname customerName
    address shippingAddress billing_address street postcode zip_code birthday birth_date dateOfBirth dob passport_no tax_id vatNumber
    iban id_card national_id card_number ip ipAddress 手机 手机号 手机号码 电话 联系电话 邮箱 电子邮箱 微信 微信号 姓名 收货人姓名 收货地址
    家庭住址 生日 出生日期 身份证 身份证号 护照号码 银行卡号 邮编 联系方式
""".split()  # noqa: SIM905
TRAIT_NAMES = "name avatar username zip contact partnerName 名字 头像".split()  # noqa: SIM905
PLAIN_NAMES = """
    product_id productId order_id sku ean price total tax currency quantity category brand title product_name url path locale userAgent
    timestamp createdAt plan points gender city household_size company companyName email_verified emailCampaign email_subject phone_model
    phone_type mobile_app newsletter query recommendation_id 手机型号 手机品牌 微信支付 商品名称 店铺地址 会员等级 membership streetwear
""".split()  # noqa: SIM905
PERSONAL_TEXTS = (
    "anna@example.org",
    "write to anna.b+shop@mail.example.co.uk, please",
    "https://shop.example/login?email=anna%40example.org&x=1",
    "安娜@例子.中国",
    "+43 660 123 45 67",
    "+47 22 85 50 50",
    "+436601234567",
    "+1 (555) 123-4567",
    "call (555) 123-4567",
    "13800138000",
    "138 0013 8000",
    "138-0013-8000",
    "+86 13800138000",
    "8613800138000",
    "电话：13800138000，谢谢",
    "https://shop.example/?mobile=13800138000&a=1",
    "11010519491231002X",
    "4111111111111111",
    "4111 1111 1111 1111",
    "378282246310005",
    "DE89370400440532013000",
    "DE89 3704 0044 0532 0130 00",
    "NL91 ABNA 0417 1643 00",
)
SHOP_TEXTS = (
    "",
    "Green tea",
    "1732635000",
    "1732635000123",
    "1732635000123456",
    "4006381333931",  # EAN-13
    "9783161484100",
    "036000291452",
    "12345678",
    "20261124103000",
    "550e8400-e29b-41d4-a716-446655440000",
    "ajs-next-00000000000000000000000000000017",
    "1234567890123456789",
    "SKU-13912345678",
    "P13912345678",
    "4111111111111112",  # invalid check digit
    "110105194912310021",
    "DE00370400440532013000",
    "AB12CDEF34567890",
    "1,299.00",
    "-1234567.89",
    "2026-11-24T10:00:00+08:00",
    "2026-11-24 10:00:00.123456",
    "192.168.100.200",
    "logo@2x.png",
    "@segment/analytics-next@1.84.0",
    "https://social.example/@shop.example/123456",
    "https://shop.example/p/13912345678?utm_source=mail",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.6778.139 Safari/537.36",
    "GA1.2.1234567890.1732635000",
    "100 x 200 x 300",
)


@pytest.mark.parametrize("name", PERSONAL_NAMES)
def test_personal_name_is_recognized_in_every_spelling(name: str) -> None:
    assert is_personal(name, "x")
    assert is_personal("a", {"b": [{name: "x"}]})
    assert not is_personal(name, "")
    assert not is_personal(name, True)


@pytest.mark.parametrize("name", TRAIT_NAMES)
def test_ambiguous_name_is_personal_among_the_traits_of_a_person_only(name: str) -> None:
    assert is_personal(name, "x", among_traits=True)
    assert is_personal("customer", {name: "x"})
    assert not is_personal(name, "x")
    assert not is_personal("product", {name: "x"}, among_traits=True)


@pytest.mark.parametrize("name", PLAIN_NAMES)
def test_name_of_shop_data_is_not_personal(name: str) -> None:
    assert not is_personal(name, "x", among_traits=True)
    assert not may_have_personal_names({name: "x"}, b"{}")


@pytest.mark.parametrize("text", PERSONAL_TEXTS)
def test_text_that_looks_personal_is_recognized(text: str) -> None:
    assert is_personal_text(text)
    assert may_look_personal(msgspec.json.encode({"note": text}))
    assert is_personal("note", ["x", {"y": text}])


@pytest.mark.parametrize("text", SHOP_TEXTS)
def test_text_of_a_shop_does_not_look_personal(text: str) -> None:
    assert not is_personal_text(text)


@pytest.mark.parametrize("name", ["product_id", "orderId", "order_number", "sku", "timestamp", "barcode", "订单编号"])
def test_digits_of_an_identifier_are_not_judged(name: str) -> None:
    assert not is_personal(name, "13800138000")
    assert not is_personal(name, ["4111111111111111"])


def test_shop_data_stays_as_it_is() -> None:
    shop_data = {
        "products": [{"product_id": "13912345678", "name": "Tea", "price": 12.5, "ean": "4006381333931"}],
        "order_id": "13800138000",
        "total": 13800138000,
        "created": 1732635000123,
        "store": {"name": "Graz", "address": {"text": "x"}},
        "texts": list(SHOP_TEXTS),
    }
    del shop_data["store"]["address"]  # type: ignore[attr-defined]
    before = copy.deepcopy(shop_data)
    assert extract_personal(shop_data) == {}
    assert shop_data == before


def test_personal_parts_are_taken_out_at_any_depth_and_put_back() -> None:
    tree: dict[str, Any] = {
        "email": "a@b.example",
        "user": {"name": "Anna", "plan": "gold", "手机号": "13800138000"},
        "products": [{"name": "Tea", "note": "for c@d.example"}, [["e@f.example", 1]]],
        "tags": ["x", "g@h.example", None],
        "address": {"city": "Graz", "lines": ["a", 1]},
        "plan": "gold",
    }
    rest = copy.deepcopy(tree)
    personal = extract_personal(rest)
    assert rest == {
        "user": {"plan": "gold"},
        "products": [{"name": "Tea"}, [[None, 1]]],
        "tags": ["x", None, None],
        "plan": "gold",
    }
    assert merge_personal(rest, personal) == tree
    assert extract_personal(copy.deepcopy(rest)) == {}
    # the check that the collector makes first
    assert may_have_personal_names(tree, msgspec.json.encode(tree))
    assert may_look_personal(msgspec.json.encode(tree))
    ordinary = {"plan": "gold", "email": True, "products": [{"name": "Tea"}], "page": {"url": "x"}}
    assert extract_personal(ordinary) == {}
    assert not may_have_personal_names(ordinary, msgspec.json.encode(ordinary))
    assert not may_look_personal(msgspec.json.encode(rest))


def test_merging_ignores_positions_that_a_list_no_longer_has() -> None:
    assert merge_personal({"tags": ["x"]}, {"tags": {"3": "a@b.example", "first": 1}}) == {"tags": ["x"]}


def test_invented_names_take_bounded_memory() -> None:
    for number in range(MAX_CACHED + 10):
        classify_name(f"invented{number}")
    assert len(plain_names) <= MAX_CACHED


def test_personal_words_of_a_message_are_hidden() -> None:
    message = "userId is 'anna@shop.example', at +43 660 1234567; send a number."
    assert hide_personal_text(message) == "userId is ••• at •••; send a number."
    assert hide_personal_text("card 4111 1111 1111 1111") == "•••"
    assert hide_personal_text("timestamp is 'soon'") == "timestamp is 'soon'"
