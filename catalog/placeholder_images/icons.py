"""Icons of product categories, drawn for this project: white shapes in a square of 100 × 100 units."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CategoryIcon:
    """An icon and the words in a category path or title that choose it.

    Attributes:
        pattern: English words (matched at the start of a word, ignoring case) or Chinese ones.
        shapes: SVG elements. ``d`` stands for the dark color of the image, everything else is white.
    """

    key: str
    pattern: re.Pattern[str]
    shapes: str


def build_icon(key: str, words: str, shapes: str) -> CategoryIcon:
    alternatives = "|".join(
        rf"(?<![a-z]){re.escape(word)}" if word.isascii() else re.escape(word) for word in words.split(", ")
    )
    return CategoryIcon(key, re.compile(alternatives, re.IGNORECASE), shapes)


# The first icon whose words occur is taken, so special ones come before general ones.
ICONS = (
    build_icon(
        "pet",
        "pet care, cat food, cat litter, dog food, dog treat, dog biscuit, rawhide, bird seed, pet , 宠物, 猫, 狗",
        '<ellipse cx="50" cy="64" rx="20" ry="16"/><ellipse cx="24" cy="46" rx="8" ry="11"/><ellipse cx="41" cy="30" rx="8" ry="12"/>'
        '<ellipse cx="60" cy="30" rx="8" ry="12"/><ellipse cx="77" cy="46" rx="8" ry="11"/>',
    ),
    build_icon(
        "baby",
        "baby, diaper, infant, 婴, 尿布, 纸尿裤, 奶瓶",
        '<path d="M38 22h24v8H38z"/><path d="M44 10h12l3 10H41z"/><rect x="32" y="33" width="36" height="55" rx="10"/>'
        '<path d="M60 48h8v4h-8zM60 60h8v4h-8zM60 72h8v4h-8z" class="d"/>',
    ),
    build_icon(
        "egg",
        "egg, 鸡蛋, 蛋类",
        '<path d="M50 14c16 0 27 26 27 43a27 27 0 0 1-54 0c0-17 11-43 27-43z"/>',
    ),
    build_icon(
        "ice-cream",
        "ice cream, frozen novelties, frzn novelties, ice pop, sherb, 冰淇淋, 雪糕, 冰棍",
        '<path d="M30 48h40L50 94z"/><path d="M28 44a22 22 0 0 1 44 0z"/><circle cx="50" cy="17" r="5"/>'
        '<path d="M38 55l18 20M62 55L44 75" class="s"/>',
    ),
    build_icon(
        "cheese",
        "cheese, 奶酪, 芝士",
        '<path d="M12 56L74 22a30 30 0 0 1 14 34z"/><path d="M12 60h76v22H12z"/><circle cx="58" cy="46" r="6" class="d"/>'
        '<circle cx="36" cy="71" r="5" class="d"/><circle cx="68" cy="70" r="6" class="d"/>',
    ),
    build_icon(
        "coffee",
        "coffee, tea, cocoa, hot chocolate, 咖啡, 茶, 可可",
        '<path d="M20 40h50v24a20 20 0 0 1-20 20H40a20 20 0 0 1-20-20z"/><path d="M70 46h6a11 11 0 0 1 0 22h-6" class="o"/>'
        '<path d="M34 32c-6-8 6-10 0-18M50 32c-6-8 6-10 0-18" class="o"/>',
    ),
    build_icon(
        "wine",
        "wine, liquor, spirits, vodka, whiskey, cocktail, 葡萄酒, 烈酒, 酒",
        '<path d="M30 12h40c2 26-4 42-20 42S28 38 30 12z"/><path d="M47 52h6v28h-6z"/><path d="M32 80h36v7H32z"/>'
        '<path d="M35 30h30c-1 10-6 18-15 18s-14-8-15-18z" class="d"/>',
    ),
    build_icon(
        "beer",
        "beer, ale, 啤酒",
        '<rect x="24" y="30" width="40" height="56" rx="5"/><path d="M64 42h8a8 8 0 0 1 8 8v16a8 8 0 0 1-8 8h-8" class="o"/>'
        '<circle cx="32" cy="28" r="10"/><circle cx="46" cy="23" r="11"/><circle cx="58" cy="29" r="9"/>'
        '<path d="M36 44v32M52 44v32" class="s"/>',
    ),
    build_icon(
        "drink",
        "soft drink, juice, water, beverage, isotonic, drink, soda, energy, 饮料, 果汁, 汽水, 矿泉水, 水饮, 功能",
        '<path d="M44 8h12v14l10 14v50a6 6 0 0 1-6 6H40a6 6 0 0 1-6-6V36l10-14z"/><path d="M34 48h32v22H34z" class="d"/>'
        '<path d="M42 59h16" class="o"/>',
    ),
    build_icon(
        "milk",
        "milk, dairy, yogurt, cream, butter, margarine, 牛奶, 乳, 酸奶, 黄油, 奶",
        '<path d="M32 34L42 16h16l10 18v52a4 4 0 0 1-4 4H36a4 4 0 0 1-4-4z"/><path d="M41 8h18v8H41z"/>'
        '<path d="M32 50c12-8 24 8 36 0v20c-12 8-24-8-36 0z" class="d"/>',
    ),
    build_icon(
        "pizza",
        "pizza, 披萨, 比萨",
        '<path d="M14 24a80 80 0 0 1 72 0L50 92z"/><circle cx="42" cy="38" r="7" class="d"/><circle cx="62" cy="42" r="7" class="d"/>'
        '<circle cx="50" cy="62" r="7" class="d"/>',
    ),
    build_icon(
        "cake",
        "cake, pie, pastry, sweet goods, dessert, donut, muffin, pudding, frosting, 蛋糕, 糕点, 甜点, 甜品, 布丁",
        '<path d="M16 54h68v30H16z"/><path d="M16 50c0-14 14-20 34-20s34 6 34 20c-6 8-12 8-17 0-6 8-12 8-17 0-6 8-12 8-17 0-6 8-12 8-17 0z"/>'
        '<path d="M47 12h6v18h-6z"/><path d="M16 66h68v5H16z" class="d"/>',
    ),
    build_icon(
        "bread",
        "bread, bun, roll, bagel, bakery, tortilla, dough, crouton, 面包, 烘焙, 吐司",
        '<path d="M18 44a14 14 0 0 1 8-26h48a14 14 0 0 1 8 26v38a4 4 0 0 1-4 4H22a4 4 0 0 1-4-4z"/>'
        '<path d="M34 40v30M50 40v30M66 40v30" class="s"/>',
    ),
    build_icon(
        "fish",
        "seafood, fish, shrimp, salmon, tuna, sushi, 海鲜, 鱼, 虾, 水产",
        '<path d="M10 50c16-26 46-26 60 0-14 26-44 26-60 0z"/><path d="M66 50l24-18v36z"/><circle cx="28" cy="45" r="4" class="d"/>'
        '<path d="M44 36c6 8 6 20 0 28" class="s"/>',
    ),
    build_icon(
        "poultry",
        "chicken, turkey, poultry, wing, 鸡肉, 鸡, 火鸡, 禽",
        '<path d="M62 14c18 0 28 16 24 32-4 14-20 20-32 20-8 0-12 6-18 12l-8-8c6-6 12-10 12-18 0-18 8-38 22-38z"/>'
        '<path d="M32 70l-8 14-6-4-4 8 10 6 4-8 8-8z"/>',
    ),
    build_icon(
        "meat",
        "meat, beef, pork, bacon, sausage, ham, hot dog, bologna, salami, veal, lamb, 肉, 火腿, 香肠, 培根, 热狗",
        '<path d="M20 54c0-22 20-36 42-32 18 4 24 20 18 34-8 20-26 26-40 24-12-2-20-12-20-26z"/>'
        '<circle cx="60" cy="44" r="11" class="d"/><circle cx="60" cy="44" r="5"/>',
    ),
    build_icon(
        "vegetable",
        "vegetable, salad, carrot, onion, potato, pepper, tomato, lettuce, broccoli, corn, mushroom, squash, bean, celery, cucumber, "
        "herb, garlic, cabbage, olive, pickle, 蔬菜, 沙拉, 土豆, 番茄, 洋葱, 豆, 菌菇, 泡菜",
        '<path d="M30 38c8-6 22-6 28 2L34 90c-4 4-10 2-11-3-2-16 0-36 7-49z"/><path d="M46 32C44 18 50 10 58 8c2 8 0 14-4 20'
        ' 8-10 18-12 26-8-2 8-8 14-22 14z"/>'
        '<path d="M28 52h14M26 66h10" class="s"/>',
    ),
    build_icon(
        "fruit",
        "fruit, apple, banana, berr, citrus, orange, grape, melon, peach, pear, plum, produce, lemon, avocado, raisin, 水果, 果品, 生鲜, 苹果, 香蕉",
        '<path d="M50 34c-8-8-30-6-32 18-1 20 14 36 24 36 4 0 5-2 8-2s4 2 8 2c10 0 25-16 24-36-2-24-24-26-32-18z"/>'
        '<path d="M50 30c0-10 6-18 16-20 0 10-6 18-16 20z"/>',
    ),
    build_icon(
        "cookie",
        "cookie, cracker, biscuit, granola, 饼干, 曲奇",
        '<circle cx="50" cy="50" r="36"/><circle cx="38" cy="38" r="5" class="d"/><circle cx="60" cy="36" r="5" class="d"/>'
        '<circle cx="66" cy="56" r="5" class="d"/><circle cx="46" cy="58" r="5" class="d"/><circle cx="34" cy="66" r="4" class="d"/>',
    ),
    build_icon(
        "candy",
        "candy, chocolate, gum, mint, marshmallow, sugar, honey, syrup, jam, 糖, 巧克力, 果酱, 蜂蜜",
        '<rect x="32" y="32" width="36" height="36" rx="16"/><path d="M34 44L10 32v36l24-12zM66 44l24-12v36L66 56z"/>'
        '<path d="M42 36c6 8 10 20 10 30" class="s"/>',
    ),
    build_icon(
        "snack",
        "snack, chip, pretzel, popcorn, nut, 零食, 薯片, 坚果, 爆米花",
        '<path d="M22 14h56l-4 10 4 62H22l4-62z"/><path d="M24 28h52v6H24z" class="d"/><circle cx="50" cy="58" r="14" class="d"/>'
        '<path d="M42 60c4-10 12-10 16-4-4 8-12 10-16 4z"/>',
    ),
    build_icon(
        "cereal",
        "cereal, oatmeal, breakfast, rice, pasta, noodle, spaghetti, macaroni, flour, grain, baking, 麦片, 早餐, 米, 面条, 意面, 面粉, 谷物",
        '<path d="M14 48h72c0 22-14 38-36 38S14 70 14 48z"/><circle cx="34" cy="40" r="8"/><circle cx="52" cy="36" r="9"/>'
        '<circle cx="68" cy="41" r="7"/><path d="M78 10L60 40" class="o"/>',
    ),
    build_icon(
        "can",
        "soup, canned, shelf stable, sauce, ketchup, catsup, mustard, salsa, gravy, condiment, dressing, dinner, chili, broth, "
        "罐头, 汤, 酱, 调味, 沙司",
        '<ellipse cx="50" cy="18" rx="28" ry="8"/><path d="M22 20v62c0 5 12 9 28 9s28-4 28-9V20c0 5-12 9-28 9s-28-4-28-9z"/>'
        '<path d="M22 44c8 5 48 5 56 0v24c-8 5-48 5-56 0z" class="d"/>',
    ),
    build_icon(
        "spice",
        "spice, seasoning, salt, extract, oil, shortening, vinegar, 香料, 盐, 油, 醋",
        '<path d="M34 10h32v18H34z"/><path d="M30 32h40l4 54a6 6 0 0 1-6 6H32a6 6 0 0 1-6-6z"/><path d="M29 48h42l2 22H27z" class="d"/>'
        '<circle cx="42" cy="19" r="2.5" class="d"/><circle cx="50" cy="19" r="2.5" class="d"/><circle cx="58" cy="19" r="2.5" class="d"/>',
    ),
    build_icon(
        "frozen",
        "frozen, frzn, frz, ice, entree, 冷冻, 速冻, 冰",
        '<path d="M50 8v84M14 29l72 42M14 71l72-42M50 24l-10-9M50 24l10-9M50 76l-10 9M50 76l10 9M28 37l-13 2M28 37l-4-12M72 63l13-2M72 63l4 12'
        'M28 63l-13-2M28 63l-4 12M72 37l13 2M72 37l4-12" class="o"/>',
    ),
    build_icon(
        "oral",
        "oral, tooth, mouthwash, dental, 口腔, 牙",
        '<rect x="20" y="18" width="16" height="30" rx="4"/><path d="M24 48h8v42h-8z"/><path d="M36 22h8v4h-8zM36 30h8v4h-8zM36 38h8v4h-8z"/>'
        '<path d="M56 30h24v46l-6 14H62l-6-14z"/><path d="M60 20h16v10H60z"/><path d="M56 44h24v14H56z" class="d"/>',
    ),
    build_icon(
        "beauty",
        "makeup, cosmetic, fragrance, hair, shampoo, lotion, soap, skin, facial, deodorant, shaving, suntan, bath, nail, "
        "美妆, 化妆, 护发, 洗发, 护肤, 沐浴, 香水, 剃须",
        '<path d="M42 8h16v8h-5v8h-6v-8h-5z"/><path d="M38 24h24v10H38z"/><path d="M34 36h32a6 6 0 0 1 6 6v44a6 6 0 0 1-6 6H34'
        'a6 6 0 0 1-6-6V42a6 6 0 0 1 6-6z"/>'
        '<circle cx="50" cy="64" r="13" class="d"/><path d="M50 54c6 8 8 11 8 14a8 8 0 0 1-16 0c0-3 2-6 8-14z"/>',
    ),
    build_icon(
        "health",
        "analges, vitamin, cold and flu, first aid, antacid, laxative, pharmacy, sinus, health, diet, eye and ear, foot care, "
        "feminine, incontinence, 药, 维生素, 健康, 保健, 急救, 护理",
        '<rect x="16" y="20" width="68" height="60" rx="12"/><path d="M43 32h14v11h11v14H57v11H43V57H32V43h11z" class="d"/>',
    ),
    build_icon(
        "cleaning",
        "laundry, detergent, bleach, clean, dish, air care, broom, insecticide, ironing, 清洁, 洗衣, 洗涤, 家清, 空气",
        '<path d="M36 30h26v10l10 12v34a6 6 0 0 1-6 6H36a6 6 0 0 1-6-6V48z"/><path d="M40 14h26v8h10v8H40z"/><path d="M30 58h42v18H30z" class="d"/>',
    ),
    build_icon(
        "paper",
        "tissue, paper, napkin, towel, wrap, trash, foil, bag, 纸, 卷纸, 保鲜, 垃圾袋, 一次性",
        '<ellipse cx="40" cy="26" rx="24" ry="10"/><path d="M16 28v48c0 6 10 11 24 11s24-5 24-11V28c0 6-10 10-24 10S16 34 16 28z"/>'
        '<path d="M64 40h22v50H64z"/><ellipse cx="40" cy="26" rx="8" ry="3.5" class="d"/>',
    ),
    build_icon(
        "flower",
        "floral, flower, rose, bouquet, garden, plant, lily, 鲜花, 花, 园艺, 植物",
        '<circle cx="50" cy="20" r="13"/><circle cx="68" cy="33" r="13"/><circle cx="61" cy="53" r="13"/><circle cx="39" cy="53" r="13"/>'
        '<circle cx="32" cy="33" r="13"/><circle cx="50" cy="38" r="9" class="d"/><path d="M47 64h6v28h-6z"/>'
        '<path d="M53 84c4-14 14-16 24-14-2 10-12 16-24 14z"/>',
    ),
    build_icon(
        "card",
        "card, gift, party, candle, balloon, christmas, halloween, easter, valentine, seasonal, 贺卡, 礼品, 派对, 节日, 蜡烛",
        '<path d="M16 40h68v14H16zM20 58h60v32H20z"/><path d="M45 40h10v50H45z" class="d"/>'
        '<path d="M50 38C36 38 24 28 30 18s18 4 20 20c2-16 14-30 20-20s-6 20-20 20z"/>',
    ),
    build_icon(
        "book",
        "book, magazine, newspaper, stationery, school, paper, dvd, video, 图书, 书, 杂志, 文具, 音像",
        '<path d="M12 20c14-4 28-2 36 6v62c-8-8-22-10-36-6zM88 20c-14-4-28-2-36 6v62c8-8 22-10 36-6z"/>'
        '<path d="M20 36h20M20 48h20M60 36h20M60 48h20" class="s"/>',
    ),
    build_icon(
        "household",
        "kitchen, gadget, houseware, cookware, glass, hardware, batter, electric, bulb, auto, domestic, home, toy, hosiery, apparel, "
        "厨房, 家居, 五金, 电池, 汽车, 玩具, 服饰, 电器",
        '<path d="M22 10c10 0 12 12 12 24 0 8-4 12-8 14l2 40a6 6 0 0 1-12 0l2-40c-4-2-8-6-8-14 0-12 2-24 12-24z"/>'
        '<path d="M54 10h5v22h5V10h5v22h5V10h5v28c0 6-4 10-8 12l2 38a6 6 0 0 1-12 0l2-38c-5-2-9-6-9-12z"/>',
    ),
)
DEFAULT_ICON = build_icon(
    "basket",
    "grocery, 超市",
    '<path d="M10 42h80l-8 42a6 6 0 0 1-6 5H24a6 6 0 0 1-6-5z"/><path d="M28 42L42 14M72 42L58 14" class="o"/>'
    '<path d="M34 54v22M50 54v22M66 54v22" class="s"/>',
)


def choose_icon(*, category: str, title: str) -> CategoryIcon:
    """Return the icon of a product: by its title and type first, then by its whole category path."""
    kind = category.rpartition(" > ")[2]
    for text in (title, kind, category):
        for icon in ICONS:
            if icon.pattern.search(text):
                return icon
    return DEFAULT_ICON
