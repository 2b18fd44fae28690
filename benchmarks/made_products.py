"""Simulated products with realistic English and Chinese titles, and queries that customers might type to find one of them.

The vocabulary is part of this file; no shop's catalog is copied. Everything follows from the seed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product as combine
from typing import Any

import numpy as np

PRODUCT_NAMES = {
    "Kitchen > Kettles": "kettle", "Kitchen > Teapots": "teapot", "Kitchen > Pans": "frying pan", "Kitchen > Knives": "knife set",
    "Kitchen > Mugs": "mug", "Kitchen > Scales": "kitchen scale", "Home > Lamps": "desk lamp", "Home > Rugs": "rug",
    "Home > Cushions": "cushion", "Home > Curtains": "curtains", "Home > Clocks": "wall clock", "Bath > Towels": "towel",
    "Clothes > Shirts": "t-shirt", "Clothes > Jackets": "jacket", "Clothes > Trousers": "trousers", "Clothes > Dresses": "dress",
    "Shoes > Boots": "boots", "Shoes > Trainers": "trainers", "Electronics > Headphones": "headphones",
    "Electronics > Speakers": "bluetooth speaker", "Electronics > Chargers": "wireless charger", "Electronics > Cables": "usb cable",
    "Garden > Hoses": "garden hose", "Garden > Chairs": "folding chair", "Sports > Mats": "yoga mat", "Sports > Bottles": "water bottle",
    "Office > Pens": "ballpoint pen", "Office > Notebooks": "notebook", "Toys > Puzzles": "jigsaw puzzle", "Toys > Blocks": "building blocks",
}  # fmt: skip
COLORS = "black white grey red blue green yellow orange purple pink brown beige turquoise navy silver gold".split()  # noqa: SIM905
MATERIALS = [
    "steel",
    "glass",
    "ceramic",
    "wooden",
    "bamboo",
    "cotton",
    "linen",
    "woollen",
    "leather",
    "plastic",
    "aluminium",
    "copper",
    "silicone",
    "marble",
]
ADJECTIVES = "compact foldable waterproof lightweight classic modern vintage premium organic adjustable portable insulated".split()  # noqa: SIM905
SIZES = [
    "0.5 l",
    "1.7 l",
    "250 ml",
    "500 ml",
    "20 cm",
    "24 cm",
    "28 cm",
    "60x90 cm",
    "size 38",
    "size 42",
    "large",
    "small",
    "2 m",
    "set of 4",
]
FILLER_WORDS = [
    "made",
    "for",
    "every",
    "day",
    "easy",
    "to",
    "clean",
    "and",
    "built",
    "to",
    "last",
    "this",
    "one",
    "comes",
    "with",
    "a",
    "two",
    "year",
    "warranty",
    "fits",
    "any",
    "home",
    "and",
    "makes",
    "a",
    "good",
    "present",
    "tested",
    "by",
    "hand",
    "packed",
    "without",
    "plastic",
    "ships",
    "within",
    "a",
    "day",
    "and",
    "can",
    "be",
    "returned",
    "for",
    "free",
]
BRAND_STARTS, BRAND_ENDS = (
    [
        "Al",
        "Bre",
        "Cor",
        "Dan",
        "El",
        "Fin",
        "Gar",
        "Hel",
        "Is",
        "Jun",
        "Kal",
        "Lor",
        "Mar",
        "Nor",
        "Ol",
        "Per",
        "Quin",
        "Ros",
        "Sol",
        "Tor",
    ],
    ["va", "den", "mar", "lo", "rix", "sa", "ton", "vik", "na", "rel"],
)

CHINESE_PRODUCT_NAMES = {
    "厨房 > 水壶": "电热水壶", "厨房 > 茶具": "紫砂茶壶", "厨房 > 锅具": "不粘平底锅", "厨房 > 杯子": "保温杯", "家居 > 灯具": "护眼台灯",
    "家居 > 床品": "四件套", "家居 > 收纳": "收纳箱", "服装 > 外套": "羽绒服", "服装 > 裤子": "牛仔裤", "服装 > 裙子": "连衣裙",
    "鞋靴 > 运动鞋": "跑步鞋", "数码 > 耳机": "蓝牙耳机", "数码 > 充电": "移动电源", "数码 > 手机配件": "手机壳", "食品 > 茶叶": "龙井绿茶",
    "食品 > 零食": "每日坚果", "母婴 > 玩具": "积木玩具", "运动 > 瑜伽": "瑜伽垫", "文具 > 本册": "笔记本", "美妆 > 护肤": "保湿面霜",
}  # fmt: skip
CHINESE_ADJECTIVES = [
    "大容量",
    "便携式",
    "家用",
    "加厚",
    "轻便",
    "防水",
    "复古",
    "简约",
    "儿童",
    "商务",
    "无线",
    "智能",
    "静音",
    "可折叠",
    "环保",
    "高颜值",
]
CHINESE_COLORS = ["黑色", "白色", "灰色", "红色", "蓝色", "绿色", "粉色", "米色", "紫色", "金色"]
CHINESE_SIZES = ["500ml", "1.5升", "大号", "小号", "两件装", "礼盒装", "升级款", "2026新款", "男女通用", "XL码"]
CHINESE_BRAND_CHARACTERS = "安佰晨德恒嘉康朗明诺启瑞盛泰维欣雅悦臻卓"

type QueryWriter = Callable[[Sequence[str], np.random.Generator], str]


@dataclass(frozen=True)
class SimulatedProduct:
    """A product in catalog format; words: those of its title in order, word pieces if it is Chinese."""

    fields: dict[str, Any]
    words: list[str]
    chinese: bool


def make_products(count: int, *, seed: int, chinese: float = 0.3) -> list[SimulatedProduct]:
    """Return products spread evenly over the types; brands have hundreds of products and series a dozen, as in a large shop."""
    chance = np.random.default_rng(seed)
    brands = [head + tail for head, tail in combine(BRAND_STARTS, BRAND_ENDS)]
    series = [first + second.lower() for first, second in combine(brands[::3], BRAND_STARTS)]
    names = [
        first_character + second_character
        for first_character, second_character in combine(CHINESE_BRAND_CHARACTERS, CHINESE_BRAND_CHARACTERS)
        if first_character != second_character
    ]
    return [
        make_chinese_product(number, names, chance)
        if chance.random() < chinese
        else make_english_product(number, brands, series, chance)
        for number in range(count)
    ]


def pick_random(values: Sequence[str], chance: np.random.Generator) -> str:
    return values[int(chance.integers(len(values)))]


def make_english_product(
    number: int, brands: Sequence[str], series: Sequence[str], chance: np.random.Generator
) -> SimulatedProduct:
    path = pick_random(list(PRODUCT_NAMES), chance)
    brand, colour, material = pick_random(brands, chance), pick_random(COLORS, chance), pick_random(MATERIALS, chance)
    words = [brand, pick_random(series, chance), pick_random(ADJECTIVES, chance), colour, material, PRODUCT_NAMES[path]]
    if chance.random() < 0.6:
        words.append(pick_random(SIZES, chance))
    start = int(chance.integers(len(FILLER_WORDS)))
    description_words = [*FILLER_WORDS[start:], *FILLER_WORDS[:start]][: int(chance.integers(10, 34))]
    fields = build_fields(number, " ".join(words), path, brand, chance, {"color": colour, "material": material})
    return SimulatedProduct(
        {**fields, "description": " ".join([*description_words, pick_random(MATERIALS, chance)])}, words, chinese=False
    )


def make_chinese_product(number: int, names: Sequence[str], chance: np.random.Generator) -> SimulatedProduct:
    path = pick_random(list(CHINESE_PRODUCT_NAMES), chance)
    brand, colour = pick_random(names, chance), pick_random(CHINESE_COLORS, chance)
    words = [
        brand,
        pick_random(CHINESE_ADJECTIVES, chance),
        colour,
        CHINESE_PRODUCT_NAMES[path],
        pick_random(names, chance) + "系列",
        pick_random(CHINESE_SIZES, chance),
    ]
    fields = build_fields(number, "".join(words), path, brand, chance, {"颜色": colour})
    first_adjective, second_adjective = (pick_random(CHINESE_ADJECTIVES, chance) for _ in range(2))
    return SimulatedProduct(
        {
            **fields,
            "description": f"{first_adjective}{CHINESE_PRODUCT_NAMES[path]}，{second_adjective}，适合送礼",
        },
        words,
        chinese=True,
    )


def build_fields(
    number: int, title: str, category: str, brand: str, chance: np.random.Generator, attributes: dict[str, str]
) -> dict[str, Any]:
    return {
        "product_id": f"made-{number}",
        "sku": f"SKU{number:07d}",
        "title": title,
        "category": category,
        "brand": brand,
        "price": round(float(np.exp(chance.normal(3.2, 0.9))) + 0.01, 2),
        "attributes": attributes,
    }


def write_whole_title(words: Sequence[str], chance: np.random.Generator) -> str:
    return " ".join(words)


def write_some_words(words: Sequence[str], chance: np.random.Generator) -> str:
    """Return three of the words in their order, as a customer might remember them."""
    positions = sorted(chance.choice(len(words), size=min(3, len(words)), replace=False).tolist())
    return " ".join(words[position] for position in positions)


def write_prefix(words: Sequence[str], chance: np.random.Generator) -> str:
    """Return three words, the last one unfinished."""
    *before, last = write_some_words(words, chance).split(" ")
    return " ".join([*before, last[: max(3, len(last) * 2 // 3)]])


def write_typo(words: Sequence[str], chance: np.random.Generator) -> str:
    """Return three words with one edit in a word of at least five letters."""
    typed = write_some_words(words, chance).split(" ")
    long = [position for position, word in enumerate(typed) if len(word) >= 5 and word.isalpha()]
    if long:
        position = int(chance.choice(long))
        typed[position] = misspell(typed[position], chance)
    return " ".join(typed)


def misspell(word: str, chance: np.random.Generator) -> str:
    """Drop, double or change a letter, or swap two neighbors; the first letter stays."""
    at = int(chance.integers(1, len(word) - 1))
    letter = "abcdefghijklmnopqrstuvwxyz"[int(chance.integers(26))]
    return [
        word[:at] + word[at + 1 :],
        word[:at] + word[at] + word[at:],
        word[:at] + letter + word[at + 1 :],
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
    ][int(chance.integers(4))]


def write_unspaced(words: Sequence[str], chance: np.random.Generator) -> str:
    """Return three pieces of a Chinese title in order, without spaces."""
    return write_some_words(words, chance).replace(" ", "")


QUERY_TYPES: dict[str, tuple[bool, QueryWriter]] = {
    "exact": (False, write_whole_title),
    "some_words": (False, write_some_words),
    "prefix": (False, write_prefix),
    "typo": (False, write_typo),
    "chinese": (True, write_unspaced),
}


def make_known_item_queries(
    products: Sequence[SimulatedProduct], *, each: int, seed: int
) -> dict[str, list[tuple[str, str]]]:
    """Return (query, product id) pairs of every query type."""
    queries = {}
    for number, (kind, (chinese, typist)) in enumerate(QUERY_TYPES.items()):
        chance = np.random.default_rng([seed, number])
        rows = [row for row, product in enumerate(products) if product.chinese == chinese]
        selected = chance.choice(rows, size=min(each, len(rows)), replace=False).tolist() if rows else []
        queries[kind] = [(typist(products[row].words, chance), products[row].fields["product_id"]) for row in selected]
    return queries
