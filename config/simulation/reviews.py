"""Reviews in English and Chinese: the stars follow the quality of the product, and the text follows the stars, apart from a few mistakes."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from config.foundation.array_types import Flags, Ints
from config.simulation.catalog import ShopCatalog
from config.simulation.customers import LANGUAGES, SimulatedCustomers
from config.simulation.output.event_lines import format_moments
from config.simulation.plan import ShopPlan
from config.simulation.purchases import DAY_MS, Purchases
from config.simulation.truth import format_customers, format_products

REVIEW_SHARE = 0.04  # of the order lines
MISTAKE_SHARE = 0.03  # texts that say the opposite of their stars
# per language: bad, mixed and good beginnings, then bad, mixed and good ends
BEGINNINGS = (
    ("It broke after a week", "The quality is poor", "Very disappointing", "Not as described", "A waste of money"),
    ("It does what it should", "It is all right", "Neither good nor bad", "Average quality", "Decent for the price"),
    ("I love it", "Excellent quality", "Works perfectly", "Better than expected", "A great product"),
)
ENDS = (
    ("I sent it back.", "I would not buy it again.", "The service did not help.", "It arrived damaged."),
    ("It took a while to arrive.", "I might buy it again.", "The size could be better.", "It is a bit expensive."),
    ("I have ordered it again.", "I recommend it to everyone.", "It arrived fast.", "My family is happy with it."),
)
CHINESE_BEGINNINGS = (
    ("用了一周就坏了", "质量太差", "非常失望", "和描述不符", "浪费钱"),
    ("还可以", "一般般", "中规中矩", "质量普通", "这个价格还行"),
    ("非常喜欢", "质量很好", "很好用", "比预期的好", "很满意的一次购物"),
)
CHINESE_ENDS = (
    ("已经退货了。", "不会再买。", "客服不理人。", "收到时已经破损。"),
    ("物流有点慢。", "可能会再买。", "尺寸不太合适。", "价格有点贵。"),
    ("已经回购了。", "推荐给大家。", "物流很快。", "家里人都喜欢。"),
)
TEXTS = ((BEGINNINGS, ENDS, ". "), (CHINESE_BEGINNINGS, CHINESE_ENDS, "，"))


@dataclass(frozen=True, eq=False)
class BlockReviews:
    """One row per review. line: row of the order line. rating: 1 to 5. mood: of the text, −1, 0 or 1. day: of the review."""

    line: Ints
    rating: Ints
    mood: Ints
    is_mistaken: Flags
    at: Ints
    beginning: Ints
    end: Ints


def draw_reviews(plan: ShopPlan, catalog: ShopCatalog, purchases: Purchases, block: int) -> BlockReviews:
    generator = plan.make_generator("reviews", block)
    order = purchases.line_order
    can_review = purchases.is_placed[order] & (purchases.day[order] < plan.days)
    line = np.flatnonzero(can_review & (generator.random(len(order)) < REVIEW_SHARE))
    at = purchases.at[order[line]] + generator.integers(2 * DAY_MS, 20 * DAY_MS, len(line))
    line, at = line[at < plan.days * DAY_MS], at[at < plan.days * DAY_MS]
    liking = 4.0 + 0.7 * catalog.quality[purchases.product[line]] + generator.normal(0, 0.8, len(line))
    rating = np.clip(np.round(liking), 1, 5).astype(np.int64)
    mood = np.sign(rating - 3)
    is_mistaken = (mood != 0) & (generator.random(len(line)) < MISTAKE_SHARE)
    return BlockReviews(
        line=line,
        rating=rating,
        mood=np.where(is_mistaken, -mood, mood),
        is_mistaken=is_mistaken,
        at=at,
        beginning=generator.integers(len(BEGINNINGS[0]), size=len(line)),
        end=generator.integers(len(ENDS[0]), size=len(line)),
    )


def format_review_ids(
    plan: ShopPlan, customers: SimulatedCustomers, purchases: Purchases, reviews: BlockReviews
) -> pa.Array:
    """Return IDs made of the customer's ID and the row of the line, which are unique in the simulation."""
    order = purchases.line_order[reviews.line]
    owner = format_customers(customers.first + purchases.customer[order])
    return pc.binary_join_element_wise(f"r-{plan.fingerprint}", owner, pa.array(reviews.line).cast(pa.string()), "-")


def format_reviews(
    plan: ShopPlan, customers: SimulatedCustomers, purchases: Purchases, reviews: BlockReviews
) -> pa.Array:
    """Return JSON lines for import_reviews."""
    customer = purchases.customer[purchases.line_order[reviews.line]]
    language = customers.language[customer]
    return pc.binary_join_element_wise(
        '{"review_id":"',
        format_review_ids(plan, customers, purchases, reviews),
        '","product_id":"',
        format_products(purchases.product[reviews.line]),
        '","user_id":"',
        format_customers(customers.first + customer),
        '","rating":',
        pa.array(reviews.rating).cast(pa.string()),
        ',"language":"',
        pa.array(LANGUAGES).take(pa.array(language)),
        '","body":"',
        take_texts(reviews, language),
        '","written_at":"',
        format_moments(plan.start_ms + reviews.at),
        '"}\n',
        "",
    )


def take_texts(reviews: BlockReviews, language: Ints) -> pa.Array:
    parts = []
    for column, drawn in ((0, reviews.beginning), (1, reviews.end)):
        texts = pa.array([text for of_language in TEXTS for of_mood in of_language[column] for text in of_mood])
        size = len(TEXTS[0][column][0])
        parts.append(texts.take(pa.array((language * 3 + reviews.mood + 1) * size + drawn)))
    between = pa.array([of_language[2] for of_language in TEXTS]).take(pa.array(language))
    return pc.binary_join_element_wise(parts[0], between, parts[1], "")


def build_review_truth(
    plan: ShopPlan, customers: SimulatedCustomers, purchases: Purchases, reviews: BlockReviews
) -> pa.Table:
    """Return stars, the mood of the text (−1, 0, 1), and whether the text says the opposite of the stars."""
    return pa.table(
        {
            "review_id": format_review_ids(plan, customers, purchases, reviews),
            "rating": reviews.rating,
            "mood": reviews.mood,
            "is_mistaken": reviews.is_mistaken,
        }
    )
