"""The texts of the ready-made templates in English and Chinese."""

from collections.abc import Mapping
from dataclasses import dataclass

from recommendations.messaging.starters.layout import StarterText


@dataclass(frozen=True)
class Starter:
    """A ready-made template. names and texts are by language."""

    key: str
    names: Mapping[str, str]
    descriptions: Mapping[str, str]
    texts: Mapping[str, StarterText]


STARTERS: tuple[Starter, ...] = (
    Starter(
        "welcome",
        {"en": "Welcome", "zh-hans": "欢迎新客"},
        {"en": "The first message after somebody signs up.", "zh-hans": "新客注册后的第一封邮件。"},
        {
            "en": StarterText(
                subject="Welcome to {{ shop.name }}",
                preheader="Nice to have you here. A few things to start with.",
                heading='Hello {{ customer.first_name|default:"there" }}, welcome!',
                paragraphs=(
                    "Thank you for joining {{ shop.name }}. From now on you will hear first about new products and offers.",
                    "Below are a few things that our customers like most.",
                ),
                products='placement="popular" n="3" columns="3" title="Popular right now" button="View"',
                reason="You receive this email because you signed up at {{ shop.name }}.",
            ),
            "zh-hans": StarterText(
                subject="欢迎来到{{ shop.name }}",
                preheader="很高兴认识您，先看看这些好物。",
                heading='{{ customer.name|default:"您好" }}，欢迎加入！',
                paragraphs=(
                    "感谢您关注{{ shop.name }}。新品和优惠，我们会第一时间告诉您。",
                    "下面是大家最喜欢的几款商品。",
                ),
                products='placement="popular" n="3" columns="3" title="热销好物" button="去看看"',
                reason="您收到这封邮件，是因为您在{{ shop.name }}订阅了消息。",
            ),
        },
    ),
)
