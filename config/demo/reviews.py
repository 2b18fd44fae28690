"""Writes simulated reviews and survey answers of households, in English and Chinese."""

from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from config.clickstream.random_draws import draw_uniform, hash_to_keys
from customers.feedback.models import Review, SurveyAnswer
from customers.feedback.reviews import record_reviews
from customers.feedback.sentiment_scoring import refresh_sentiment
from customers.identity.models import Identifier

SEED = 3
REVIEWS = 2_000
ID_PREFIX = "simulated-"
OTHER_LANGUAGE_SHARES = {"en": 0.2, "zh-hans": 0.0}  # customers of a Chinese shop rarely write English
# Cumulative rating shares (at most 1, 2, 3 and 4 stars) of customers who bought a product again, and of products with a fault.
CUMULATIVE_SHARES = (0.03, 0.08, 0.2, 0.52)
FAULTY_SHARES = (0.25, 0.5, 0.65, 0.8)
FAULTY_PRODUCTS = 0.15
SWAPPED = 0.01  # share of reviewers who mistake 1★ for the best rating
ANSWERS = 600

# Every household at most once, the products that it bought most often first.
PURCHASES = """
SELECT DISTINCT ON (line.customer_id) line.user_id, line.product_id, line.last_at
FROM (
    SELECT o.customer_id, i.value AS user_id, p.product_id, count(*) AS orders, max(o.placed_at) AS last_at
    FROM orders_order o
    JOIN orders_orderline l ON l.order_id = o.id
    JOIN catalog_product p ON p.id = l.product_id AND p.is_active
    JOIN identity_identifier i ON i.customer_id = o.customer_id AND i.kind = 'user_id'
    WHERE o.kind = 'sale' AND o.placed_at > %(since)s
    GROUP BY 1, 2, 3
    HAVING count(*) > 1
) line
ORDER BY line.customer_id, line.orders DESC, line.product_id COLLATE "C"
"""

type Texts = dict[str, tuple[tuple[str, ...], tuple[str, ...]]]

# Stars → titles and sentences that fit any product. A review is a title and two different sentences.
ENGLISH: dict[int, tuple[tuple[str, ...], tuple[str, ...]]] = {
    5: (
        (
            "A regular in our household",
            "Exactly what we wanted",
            "Would buy again",
            "Excellent",
            "The best I have tried",
        ),
        (
            "We order it every other week and it has never let us down.",
            "Well packed and delivered on time.",
            "Great quality for the price.",
            "The whole family likes it.",
            "I tried two other brands and came back to this one.",
        ),
    ),
    4: (
        ("Very good", "Happy with it", "Good value", "Solid choice"),
        (
            "We use it up quickly and always order it again.",
            "A little more expensive than last year, but still worth it.",
            "The quality is always the same.",
            "I would like a larger package.",
            "Does what it should.",
        ),
    ),
    3: (
        ("It is all right", "Average", "Fine, nothing special"),
        (
            "Okay for every day, but there are better ones.",
            "The package was slightly damaged this time.",
            "The price goes up and down a lot.",
            "Good enough when it is on sale.",
        ),
    ),
    2: (
        ("Not as good as before", "Disappointed", "Too expensive"),
        (
            "The quality has gone down since last year.",
            "It did not arrive in good condition.",
            "Too expensive for what you get.",
            "I had to throw some of it away.",
        ),
    ),
    1: (
        ("Never again", "Bad quality", "Arrived damaged"),
        (
            "It arrived open and I could not use it.",
            "It looked nothing like the picture.",
            "Customer service did not answer.",
            "I will look for another brand.",
        ),
    ),
}
CHINESE: dict[int, tuple[tuple[str, ...], tuple[str, ...]]] = {
    5: (
        ("一直回购", "非常满意", "强烈推荐", "品质很好"),
        (
            "家里每两周都会买，从来没让人失望。",
            "包装完好，送货也准时。",
            "这个价格买到这样的品质很划算。",
            "全家人都喜欢。",
            "试过别的牌子，最后还是选它。",
        ),
    ),
    4: (
        ("不错", "挺满意的", "性价比高"),
        ("用得很快，每次都会再买。", "比去年贵了一点，但还是值得买。", "品质一直很稳定。", "要是有大包装就更好了。"),
    ),
    3: (
        ("一般", "还可以"),
        ("日常用还行，不过有更好的选择。", "这次包装有点破损。", "价格波动比较大。", "打折的时候买还不错。"),
    ),
    2: (("不如以前", "有点失望"), ("品质不如去年了。", "送到时品相不太好。", "价格偏高。", "扔掉了一部分。")),
    1: (
        ("不会再买", "质量差"),
        ("收到时包装已经破了，没法用。", "和图片差得太远。", "客服一直没有回复。", "准备换别的牌子。"),
    ),
}
TEXTS = {"en": ENGLISH, "zh-hans": CHINESE}
# What is wrong with faulty products: titles and sentences per fault.
FAULTS: dict[str, tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]] = {
    "en": (
        (
            ("It leaked", "Leaking package"),
            (
                "The lid was not sealed and it leaked all over the bag.",
                "The seal was broken and half of it had leaked out.",
                "Second time that the package leaked.",
            ),
        ),
        (
            ("Not fresh", "Almost expired"),
            (
                "Only two days left before the best-before date.",
                "It tasted stale, close to the best-before date.",
                "Not fresh at all, we had to throw it away.",
            ),
        ),
        (
            ("Smaller than before", "Less for the same price"),
            (
                "The package is smaller now, but the price is the same.",
                "There is less in it than the label says.",
                "A smaller package for the same price, no thanks.",
            ),
        ),
        (
            ("The new recipe is worse", "Tastes different"),
            (
                "The new recipe is far too sweet.",
                "They changed the recipe and now it tastes of nothing.",
                "We liked the old recipe much better.",
            ),
        ),
    ),
    "zh-hans": (
        (("漏了", "包装漏了"), ("盖子没封好，袋子里漏得到处都是。", "封口破了，漏掉了一半。", "第二次收到漏的了。")),
        (("不新鲜", "快过期了"), ("离保质期只剩两天。", "吃起来不新鲜，快到保质期了。", "一点都不新鲜，只能扔掉。")),
        (
            ("分量变少了", "缩水了"),
            ("分量变少了，价格却没变。", "实际重量比标签上少。", "价格一样，分量变少，不划算。"),
        ),
        (("新配方不好吃", "味道变了"), ("新配方太甜了。", "换了配方以后没什么味道。", "还是以前的配方好吃。")),
    ),
}


def load_reviews(*, loaded_at: datetime, language: str = "en") -> int:
    """Write the simulated reviews and survey answers if there are none; return the number of reviews. Nobody reviews a product twice."""
    if Review.objects.filter(review_id__startswith=ID_PREFIX).exists():
        return 0
    with connection.cursor() as cursor:
        cursor.execute(PURCHASES, {"since": loaded_at - timedelta(days=180)})
        purchases = cursor.fetchall()[:REVIEWS]
    items = build_reviews(purchases, language=language, until=loaded_at)
    created = record_reviews(items=items, received_at=loaded_at).created
    write_answers(items)
    refresh_sentiment(now=loaded_at)
    return created


def build_reviews(purchases: list[tuple[Any, ...]], *, language: str, until: datetime) -> list[dict[str, Any]]:
    """Return a review for each (user ID, product ID, time of the last purchase), written within a day after it, but before ``until``."""
    keys = hash_to_keys([f"{user_id} {product_id}" for user_id, product_id, _at in purchases], seed=SEED)
    product_keys = hash_to_keys([product_id for _user_id, product_id, _at in purchases], seed=SEED)
    is_faulty = (draw_uniform(product_keys, 1) < FAULTY_PRODUCTS).tolist()
    fault = draw_uniform(product_keys, 2).tolist()
    stars, other, title, first, second, delay, swapped = (draw_uniform(keys, n).tolist() for n in range(1, 8))
    other_language = "zh-hans" if language == "en" else "en"
    items = []
    for row, (user_id, product_id, last_at) in enumerate(purchases):
        rating = 1 + sum(stars[row] >= share for share in (FAULTY_SHARES if is_faulty[row] else CUMULATIVE_SHARES))
        chosen = other_language if other[row] < OTHER_LANGUAGE_SHARES[language] else language
        titles, sentences = TEXTS[chosen][rating]
        if is_faulty[row] and rating <= 3:
            titles, sentences = FAULTS[chosen][int(fault[row] * len(FAULTS[chosen]))]
        start = int(first[row] * len(sentences))
        offset = 1 + int(second[row] * (len(sentences) - 1))
        separator = " " if chosen == "en" else ""
        items.append(
            {
                "review_id": f"{ID_PREFIX}{user_id}",
                "product_id": product_id,
                "user_id": user_id,
                "rating": 6 - rating if swapped[row] < SWAPPED and rating != 3 else rating,
                "title": titles[int(title[row] * len(titles))],
                "body": sentences[start] + separator + sentences[(start + offset) % len(sentences)],
                "language": chosen,
                "written_at": min(
                    last_at + timedelta(hours=1 + delay[row] * 20), until - timedelta(minutes=1)
                ).isoformat(),
            }
        )
    return items


def write_answers(items: list[dict[str, Any]]) -> None:
    """Write answers to surveys by some of the reviewers, the same day; they like the shop about as much as the product."""
    chosen = items[:ANSWERS]
    keys = hash_to_keys([item["user_id"] for item in chosen], seed=SEED)
    luck, kind = draw_uniform(keys, 1).tolist(), draw_uniform(keys, 2).tolist()
    customers = dict(
        Identifier.objects.filter(
            kind=Identifier.Kind.USER_ID, value__in=[item["user_id"] for item in chosen]
        ).values_list("value", "customer_id")
    )
    answers = []
    for row, item in enumerate(chosen):
        is_nps = kind[row] < 0.6
        mood = min(max(item["rating"] + 3 * luck[row] - 1, 1), 5)  # 1 to 5
        answers.append(
            SurveyAnswer(
                customer_id=customers.get(item["user_id"]),
                kind=SurveyAnswer.Kind.NPS if is_nps else SurveyAnswer.Kind.CSAT,
                score=round(2.5 * (mood - 1)) if is_nps else round(mood),
                comment=item["title"] if luck[row] < 0.4 else "",
                answered_at=item["written_at"],
                link_id=f"{ID_PREFIX}{item['user_id']}",
            )
        )
    SurveyAnswer.objects.bulk_create(answers)
