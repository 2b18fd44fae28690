"""The demo shop in each of its languages: currency, names of brands and categories, and the texts of customers' traits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from config.demo.chinese_catalog import build_chinese_path, build_chinese_title, format_size
from config.demo.product_titles import build_category_path, build_title

ENGLISH, CHINESE = "en", "zh-hans"
# The Chinese shop has Chinese prices: the package's dollar prices times this factor.
YUAN_PER_DOLLAR = 7

# category and type may be missing: the department, category, type and package size of a product → its text
BuildPath = Callable[[str, str | None, str | None], str]
BuildTitle = Callable[[str | None, str | None, str, str | None], str]


@dataclass(frozen=True, slots=True)
class DemoEdition:
    """What depends on the language of the demo.

    Attributes:
        price_factor: the price of the shop for each dollar of the package.
        brands: brand of the package → brand of the shop.
        shop_name: empty to use the name from the environment.
        postal_address: of the shop, which marketing email has to name.
        unlisted: the title of a product that was sold but is not listed, with ``{id}``.
        separator: between a title and the name of the brand.
        manufacturer, package_size: names of these attributes of products.
        format_size: package size and category of the package → package size of the shop.
        sales_source, visits_source: names of the sources of orders and of simulated visits.
        store: the beginning of an order's channel, before the number of the store.
        trait_values: value of a trait in the package → text; values without one stay unchanged.
    """

    language: str
    locale: str
    currency: str
    price_factor: int
    brands: Mapping[str, str]
    unlisted: str
    separator: str
    build_path: BuildPath
    build_title: BuildTitle
    manufacturer: str
    package_size: str
    format_size: Callable[[str, str | None], str]
    sales_source: str
    visits_source: str
    store: str
    trait_values: Mapping[str, str] = field(default_factory=dict)
    shop_name: str = ""
    postal_address: str = "1 Market Street, Springfield (demo)"


TRAIT_VALUES_IN_CHINESE = {
    "19-24": "19–24 岁",
    "25-34": "25–34 岁",
    "35-44": "35–44 岁",
    "45-54": "45–54 岁",
    "55-64": "55–64 岁",
    "65+": "65 岁以上",
    "Under 15K": "10 万元以下",
    "15-24K": "10–17 万元",
    "25-34K": "17–24 万元",
    "35-49K": "24–35 万元",
    "50-74K": "35–52 万元",
    "75-99K": "52–70 万元",
    "100-124K": "70–87 万元",
    "125-149K": "87–105 万元",
    "150-174K": "105–122 万元",
    "175-199K": "122–140 万元",
    "200-249K": "140–175 万元",
    "250K+": "175 万元以上",
    "Homeowner": "自有住房",
    "Probable Homeowner": "可能自有住房",
    "Renter": "租房",
    "Probable Renter": "可能租房",
    "Married": "已婚",
    "Unmarried": "未婚",
    "1 Adult Kids": "单亲有子女",
    "1 Adult No Kids": "单身无子女",
    "2 Adults Kids": "两位成人有子女",
    "2 Adults No Kids": "两位成人无子女",
    "5+": "5 人以上",
    "3+": "3 个以上",
}
EDITIONS = {
    ENGLISH: DemoEdition(
        language=ENGLISH,
        locale="en-US",
        currency="USD",
        price_factor=1,
        brands={"National": "National brand", "Private": "Private label"},
        unlisted="Product {id}",
        separator=", ",
        build_path=build_category_path,
        build_title=build_title,
        manufacturer="manufacturer",
        package_size="package_size",
        format_size=lambda size, category: size,
        sales_source="Complete Journey",
        visits_source="Storefront (simulated)",
        store="store",
    ),
    CHINESE: DemoEdition(
        language=CHINESE,
        locale="zh-CN",
        currency="CNY",
        price_factor=YUAN_PER_DOLLAR,
        brands={"National": "全国品牌", "Private": "自有品牌"},
        unlisted="商品 {id}",
        separator=" ",
        build_path=build_chinese_path,
        build_title=build_chinese_title,
        manufacturer="厂商",
        package_size="规格",
        format_size=format_size,
        sales_source="Complete Journey 零售数据",
        visits_source="店铺访问（模拟）",
        store="门店",
        trait_values=TRAIT_VALUES_IN_CHINESE,
        shop_name="四季鲜超市",
        postal_address="示例市集市路 1 号（演示）",
    ),
}
