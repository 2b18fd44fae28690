"""Recognizes the names of fields that hold personal data, in English and Chinese, in any case and spelling.

A name is split into words: ``shippingAddress``, ``shipping_address`` and ``Shipping-Address`` are the same. One personal word or
pair of words is enough (``partnerEmail``), unless another word shows that the value is about something else (``email_template``,
``phone_model``). A word such as name is personal only among the traits of a person: products and stores have names too.
"""

import re
import unicodedata
from itertools import pairwise

# what a name tells about its value
PERSONAL = 1
PERSONAL_TRAIT = 2  # personal among the traits of a person only
PERSON = 4  # an object under this name describes a person
THING = 8  # an object under this name describes something that the shop sells or runs
IDENTIFIER = 16  # digits under this name are no phone or card number

_WORDS = frozenset(
    {
        "email", "emails", "mail", "mailbox", "phone", "phones", "mobile", "mobiles", "tel", "telephone", "telefon", "cellphone", "fax",
        "msisdn", "whatsapp", "wechat", "weixin", "wxid", "qq", "telegram", "skype", "openid", "unionid", "firstname", "middlename", "lastname",
        "surname", "fullname", "realname", "nickname", "familyname", "givenname", "birthday", "birthdate", "birthplace", "dob",
        "dateofbirth", "passport", "ssn", "iban", "idcard", "taxid", "street", "postcode", "zipcode", "phonenumber", "mobilephone",
        "emailaddress", "mailaddress", "homeaddress", "shippingaddress", "billingaddress", "deliveryaddress", "ipaddress", "ip",
        "wechatid", "cardnumber",
    }
)  # fmt: skip
_PAIRS = frozenset(
    {
        ("first", "name"), ("middle", "name"), ("last", "name"), ("full", "name"), ("real", "name"), ("nick", "name"), ("family", "name"),
        ("given", "name"), ("customer", "name"), ("recipient", "name"), ("receiver", "name"), ("consignee", "name"), ("buyer", "name"),
        ("contact", "name"), ("user", "name"), ("birth", "date"), ("birth", "day"), ("of", "birth"), ("postal", "code"), ("post", "code"),
        ("zip", "code"), ("shipping", "address"), ("billing", "address"), ("delivery", "address"), ("home", "address"),
        ("recipient", "address"), ("customer", "address"), ("contact", "address"), ("remote", "addr"), ("address", "line"), ("tax", "id"),
        ("tax", "number"), ("vat", "id"), ("vat", "number"), ("id", "card"), ("identity", "card"), ("identity", "number"),
        ("national", "id"), ("social", "security"), ("card", "number"), ("driver", "license"), ("bank", "account"), ("open", "id"),
        ("union", "id"),
    }
)  # fmt: skip
_TRAIT_WORDS = frozenset(
    {
        "name", "avatar", "username", "zip", "birth", "born", "contact", "latitude", "longitude", "instagram",
        "facebook", "twitter", "linkedin", "weibo", "douyin",
    }
)  # fmt: skip
_ADDRESS_WORDS = frozenset({"address", "addresses"})
# the value is about a device, a message or a setting
_NEUTRAL_WORDS = frozenset(
    {
        "verified", "valid", "confirmed", "status", "type", "kind", "model", "brand", "case", "cover", "accessory", "accessories", "os", "app",
        "device", "version", "count", "opt", "optin", "consent", "subscribed", "subscription", "newsletter", "marketing", "campaign",
        "template", "subject", "frequency", "format", "provider", "domain", "client", "enabled", "allowed", "preference", "preferences",
        "source", "medium", "channel", "size", "color", "colour", "price", "category", "plan", "has", "is", "carrier", "holder",
        "opened", "clicked", "sent", "delivered", "bounced",
    }
)  # fmt: skip
_THING_WORDS = frozenset(
    {
        "product", "products", "item", "items", "brand", "store", "shop", "company", "warehouse", "branch", "plan", "campaign", "segment",
        "category", "library", "page", "screen", "app", "os", "device", "network", "event", "file", "image", "list", "coupon", "promotion",
        "collection", "variant", "supplier", "manufacturer",
    }
)  # fmt: skip
_PERSON_WORDS = frozenset(
    {
        "traits", "customer", "user", "person", "contact", "recipient", "receiver", "consignee", "buyer", "member", "owner", "guest",
        "payer", "billing", "profile", "guests", "contacts", "users", "customers",
    }
)  # fmt: skip
_IDENTIFIER_WORDS = frozenset(
    {
        "id", "ids", "number", "no", "nr", "num", "sku", "skus", "ean", "gtin", "upc", "isbn", "mpn", "asin", "barcode", "code",
        "order", "transaction", "tracking",
        "price", "total", "revenue", "value", "amount", "quantity", "timestamp", "time", "at", "serial", "version", "hash", "token",
        "uuid", "uid", "reference", "ref", "invoice", "product", "variant", "session", "gclid", "fbclid",
    }
)  # fmt: skip
_CHINESE = (
    "姓名", "昵称", "邮箱", "手机", "电话", "座机", "生日", "出生", "地址", "住址", "街道", "邮编", "邮政编码", "微信",
    "身份证", "证件号", "护照", "银行卡", "收货人", "收件人", "联系人", "联系方式", "税号", "手機", "電話", "郵箱",
)  # fmt: skip
_CHINESE_TRAITS = ("名字", "头像", "称呼")
_CHINESE_NEUTRAL = (
    "型号", "品牌", "类型", "分类", "类目", "配件", "手机壳", "手机膜", "支付", "小程序", "公众号", "是否", "店", "仓库", "商品", "数量", "活动",
    "渠道", "模板", "订阅", "状态", "商城", "官网", "网址", "链接", "系统", "价格", "颜色", "尺寸",
)  # fmt: skip
_CHINESE_IDENTIFIERS = ("编号", "编码", "单号", "条码", "货号", "订单", "商品", "时间", "金额", "价格", "数量")
_CHINESE_PERSONS = ("客户", "用户", "会员", "顾客", "买家")

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
MAX_NAME = 200
MAX_CACHED = 20_000

_flags_of_names: dict[str, int] = {}
# names that are not personal anywhere and contain no person: the collector skips objects that have only such names
plain_names: set[str] = set()


def classify_name(name: str) -> int:
    """Return what a name tells about its value, as the sum of the flags above; cached for the next call."""
    flags = _flags_of_names.get(name)
    if flags is None:
        if len(_flags_of_names) >= MAX_CACHED:  # bounds the memory that invented names can take
            _flags_of_names.clear()
            plain_names.clear()
        flags = compute_flags(name)
        if len(name) <= MAX_NAME:
            _flags_of_names[name] = flags
            if not flags & (PERSONAL | PERSON):
                plain_names.add(name)
    return flags


def compute_flags(name: str) -> int:
    """Return what a name tells about its value, from its words."""
    text = unicodedata.normalize("NFKC", name[:MAX_NAME])
    words = [word.casefold() for word in _WORD.findall(text)]
    known, last = set(words), words[-1] if words else ""
    flags = 0
    if last in _PERSON_WORDS or text.endswith(_CHINESE_PERSONS):
        flags |= PERSON
    if not known.isdisjoint(_THING_WORDS):
        flags |= THING
    if last in _IDENTIFIER_WORDS or any(part in text for part in _CHINESE_IDENTIFIERS):
        flags |= IDENTIFIER
    if is_chinese_personal(text):
        return flags | PERSONAL
    if not known.isdisjoint(_NEUTRAL_WORDS):
        return flags
    if "".join(words) in _WORDS or not known.isdisjoint(_WORDS) or not _PAIRS.isdisjoint(pairwise(words)):
        return flags | PERSONAL
    if not flags & THING and not known.isdisjoint(_ADDRESS_WORDS):
        return flags | PERSONAL
    if (not flags & THING and not known.isdisjoint(_TRAIT_WORDS)) or any(part in text for part in _CHINESE_TRAITS):
        return flags | PERSONAL_TRAIT
    return flags


def is_chinese_personal(text: str) -> bool:
    """Return whether a name has a Chinese personal word and none that shows that the value is about something else."""
    return any(part in text for part in _CHINESE) and not any(part in text for part in _CHINESE_NEUTRAL)
