"""Products that nobody sells, with titles as shops write them, English and Chinese, and what people might type to find one again.

All words are of this file: no shop's catalogue is copied. Everything follows from the seed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product as pairs_of
from typing import Any

import numpy as np

THINGS = {
    "Kitchen > Kettles": "kettle", "Kitchen > Teapots": "teapot", "Kitchen > Pans": "frying pan", "Kitchen > Knives": "knife set",
    "Kitchen > Mugs": "mug", "Kitchen > Scales": "kitchen scale", "Home > Lamps": "desk lamp", "Home > Rugs": "rug",
    "Home > Cushions": "cushion", "Home > Curtains": "curtains", "Home > Clocks": "wall clock", "Bath > Towels": "towel",
    "Clothes > Shirts": "t-shirt", "Clothes > Jackets": "jacket", "Clothes > Trousers": "trousers", "Clothes > Dresses": "dress",
    "Shoes > Boots": "boots", "Shoes > Trainers": "trainers", "Electronics > Headphones": "headphones",
    "Electronics > Speakers": "bluetooth speaker", "Electronics > Chargers": "wireless charger", "Electronics > Cables": "usb cable",
    "Garden > Hoses": "garden hose", "Garden > Chairs": "folding chair", "Sports > Mats": "yoga mat", "Sports > Bottles": "water bottle",
    "Office > Pens": "ballpoint pen", "Office > Notebooks": "notebook", "Toys > Puzzles": "jigsaw puzzle", "Toys > Blocks": "building blocks",
}  # fmt: skip
COLOURS = "black white grey red blue green yellow orange purple pink brown beige turquoise navy silver gold".split()  # noqa: SIM905
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
MANNERS = "compact foldable waterproof lightweight classic modern vintage premium organic adjustable portable insulated".split()  # noqa: SIM905
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
FILLERS = [
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
HEADS, TAILS = (
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

事物 = {
    "厨房 > 水壶": "电热水壶", "厨房 > 茶具": "紫砂茶壶", "厨房 > 锅具": "不粘平底锅", "厨房 > 杯子": "保温杯", "家居 > 灯具": "护眼台灯",
    "家居 > 床品": "四件套", "家居 > 收纳": "收纳箱", "服装 > 外套": "羽绒服", "服装 > 裤子": "牛仔裤", "服装 > 裙子": "连衣裙",
    "鞋靴 > 运动鞋": "跑步鞋", "数码 > 耳机": "蓝牙耳机", "数码 > 充电": "移动电源", "数码 > 手机配件": "手机壳", "食品 > 茶叶": "龙井绿茶",
    "食品 > 零食": "每日坚果", "母婴 > 玩具": "积木玩具", "运动 > 瑜伽": "瑜伽垫", "文具 > 本册": "笔记本", "美妆 > 护肤": "保湿面霜",
}  # fmt: skip
修饰 = [
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
颜色 = ["黑色", "白色", "灰色", "红色", "蓝色", "绿色", "粉色", "米色", "紫色", "金色"]
规格 = ["500ml", "1.5升", "大号", "小号", "两件装", "礼盒装", "升级款", "2026新款", "男女通用", "XL码"]
字 = "安佰晨德恒嘉康朗明诺启瑞盛泰维欣雅悦臻卓"

type Typist = Callable[[Sequence[str], np.random.Generator], str]


@dataclass(frozen=True)
class Made:
    """A product as the catalogue takes it; words: those of its title in their order, pieces of them where it is Chinese."""

    fields: dict[str, Any]
    words: list[str]
    chinese: bool


def make_products(count: int, *, seed: int, chinese: float = 0.3) -> list[Made]:
    """About as many of each thing; a brand has hundreds of products and a series a dozen, as in a large shop."""
    chance = np.random.default_rng(seed)
    brands = [head + tail for head, tail in pairs_of(HEADS, TAILS)]
    series = [first + second.lower() for first, second in pairs_of(brands[::3], HEADS)]
    names = [one + other for one, other in pairs_of(字, 字) if one != other]
    return [
        make_chinese(number, names, chance)
        if chance.random() < chinese
        else make_english(number, brands, series, chance)
        for number in range(count)
    ]


def one_of(values: Sequence[str], chance: np.random.Generator) -> str:
    return values[int(chance.integers(len(values)))]


def make_english(number: int, brands: Sequence[str], series: Sequence[str], chance: np.random.Generator) -> Made:
    path = one_of(list(THINGS), chance)
    brand, colour, material = one_of(brands, chance), one_of(COLOURS, chance), one_of(MATERIALS, chance)
    words = [brand, one_of(series, chance), one_of(MANNERS, chance), colour, material, THINGS[path]]
    if chance.random() < 0.6:
        words.append(one_of(SIZES, chance))
    start = int(chance.integers(len(FILLERS)))
    said = [*FILLERS[start:], *FILLERS[:start]][: int(chance.integers(10, 34))]
    fields = fields_of(number, " ".join(words), path, brand, chance, {"color": colour, "material": material})
    return Made({**fields, "description": " ".join([*said, one_of(MATERIALS, chance)])}, words, chinese=False)


def make_chinese(number: int, names: Sequence[str], chance: np.random.Generator) -> Made:
    path = one_of(list(事物), chance)
    brand, colour = one_of(names, chance), one_of(颜色, chance)
    words = [brand, one_of(修饰, chance), colour, 事物[path], one_of(names, chance) + "系列", one_of(规格, chance)]
    fields = fields_of(number, "".join(words), path, brand, chance, {"颜色": colour})
    return Made(
        {**fields, "description": f"{one_of(修饰, chance)}{事物[path]}，{one_of(修饰, chance)}，适合送礼"},
        words,
        chinese=True,
    )


def fields_of(
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


def whole(words: Sequence[str], chance: np.random.Generator) -> str:
    return " ".join(words)


def some(words: Sequence[str], chance: np.random.Generator) -> str:
    """Three of the words, as somebody remembers them, in their order."""
    kept = sorted(chance.choice(len(words), size=min(3, len(words)), replace=False).tolist())
    return " ".join(words[place] for place in kept)


def prefix(words: Sequence[str], chance: np.random.Generator) -> str:
    """Three words, the last one not finished."""
    *before, last = some(words, chance).split(" ")
    return " ".join([*before, last[: max(3, len(last) * 2 // 3)]])


def typo(words: Sequence[str], chance: np.random.Generator) -> str:
    """Three words, one edit in one of those that have at least five letters."""
    typed = some(words, chance).split(" ")
    long = [place for place, word in enumerate(typed) if len(word) >= 5 and word.isalpha()]
    if long:
        place = int(chance.choice(long))
        typed[place] = misspelt(typed[place], chance)
    return " ".join(typed)


def misspelt(word: str, chance: np.random.Generator) -> str:
    """A letter left out, doubled, changed, or two neighbours swapped; the first one stays."""
    at = int(chance.integers(1, len(word) - 1))
    other = "abcdefghijklmnopqrstuvwxyz"[int(chance.integers(26))]
    return [
        word[:at] + word[at + 1 :],
        word[:at] + word[at] + word[at:],
        word[:at] + other + word[at + 1 :],
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
    ][int(chance.integers(4))]


def unspaced(words: Sequence[str], chance: np.random.Generator) -> str:
    """Three pieces of a Chinese title in their order, written in one."""
    return some(words, chance).replace(" ", "")


KINDS: dict[str, tuple[bool, Typist]] = {
    "exact": (False, whole),
    "some_words": (False, some),
    "prefix": (False, prefix),
    "typo": (False, typo),
    "chinese": (True, unspaced),
}


def known_items(products: Sequence[Made], *, each: int, seed: int) -> dict[str, list[tuple[str, str]]]:
    """(query, product id) pairs of every kind."""
    found = {}
    for number, (kind, (chinese, typist)) in enumerate(KINDS.items()):
        chance = np.random.default_rng([seed, number])
        places = [place for place, product in enumerate(products) if product.chinese == chinese]
        chosen = chance.choice(places, size=min(each, len(places)), replace=False).tolist() if places else []
        found[kind] = [
            (typist(products[place].words, chance), products[place].fields["product_id"]) for place in chosen
        ]
    return found
