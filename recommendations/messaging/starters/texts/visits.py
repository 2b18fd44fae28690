"""Messages about visits of the shop: welcome, abandoned visits and carts."""

from recommendations.messaging.starters.layout import NEEDED_EVENT_PRODUCT, StarterText
from recommendations.messaging.starters.starter import Starter

VISIT_STARTERS = (
    Starter(
        "welcome",
        {"en": "Welcome", "zh-hans": "欢迎新客"},
        {"en": "The first message after someone signs up.", "zh-hans": "新客注册或订阅后的第一封邮件。"},
        {
            "en": StarterText(
                subject="Welcome to {{ shop.name }}",
                preheader="Nice to have you here. A few things to start with.",
                heading='Hello {{ customer.first_name|default:"there" }}, welcome!',
                paragraphs=(
                    "Thank you for joining {{ shop.name }}. From now on you will hear first about new products and offers.",
                    "Here are a few things that our customers like most.",
                ),
                products='placement="popular" n="3" columns="3" title="Popular right now" button="View"',
                reason="You are receiving this email because you signed up at {{ shop.name }}.",
            ),
            "zh-hans": StarterText(
                subject="欢迎来到{{ shop.name }}",
                preheader="很高兴认识您，先看看这些好物。",
                heading='{{ customer.name|default:"您好" }}，欢迎加入！',
                paragraphs=(
                    "感谢您关注{{ shop.name }}。今后的新品和优惠，我们会第一时间告诉您。",
                    "先看看大家最喜欢的几款商品：",
                ),
                products='placement="popular" n="3" columns="3" title="热销好物" button="去看看"',
                reason="您收到这封邮件，是因为您订阅了{{ shop.name }}的消息。",
            ),
        },
    ),
    Starter(
        "browse-abandonment",
        {"en": "Browse abandonment", "zh-hans": "浏览未加购"},
        {"en": "For customers who looked at a product and left.", "zh-hans": "发给浏览了商品但没有下单的客户。"},
        {
            "en": StarterText(
                subject='Still thinking about {{ event.product.title|truncate:40|default:"it" }}?',
                preheader="It is still here. So are a few similar ideas.",
                heading="Still interested?",
                paragraphs=(
                    'Hello {{ customer.first_name|default:"there" }}, you recently looked at this product. It is still available.',
                ),
                before=NEEDED_EVENT_PRODUCT.format(button="Take another look"),
                products='placement="similar" n="3" columns="3" title="You may also like" button="View"',
                reason="You are receiving this email because you visited {{ shop.name }}.",
            ),
            "zh-hans": StarterText(
                subject='还在考虑{{ event.product.title|truncate:20|default:"它" }}吗？',
                preheader="它还在等您，另有几款相似好物。",
                heading="您看过的商品还在",
                paragraphs=('{{ customer.name|default:"您好" }}，您最近浏览过这款商品，目前仍有货。',),
                before=NEEDED_EVENT_PRODUCT.format(button="再看一眼"),
                products='placement="similar" n="3" columns="3" title="您可能还喜欢" button="去看看"',
                reason="您收到这封邮件，是因为您访问过{{ shop.name }}。",
            ),
        },
    ),
    Starter(
        "basket-abandonment",
        {"en": "Cart abandonment", "zh-hans": "弃购召回"},
        {"en": "For customers who added a product to the cart and left.", "zh-hans": "发给已加购但没有下单的客户。"},
        {
            "en": StarterText(
                subject="You left something in your cart",
                preheader="Your cart is saved. Complete your order in a minute.",
                heading="Your cart is waiting",
                paragraphs=(
                    'Hello {{ customer.first_name|default:"there" }}, you added this to your cart and have not ordered yet. '
                    "We saved it for you.",
                    "Was something unclear? Reply to this email, and we will help.",
                ),
                before=NEEDED_EVENT_PRODUCT.format(button="View product"),
                products='placement="bought-together" n="3" columns="3" title="Goes well with this" button="View"',
                reason="You are receiving this email because you added a product to your cart at {{ shop.name }}.",
            ),
            "zh-hans": StarterText(
                subject="您的购物车里还有商品未下单",
                preheader="购物车已为您保留，一分钟即可完成下单。",
                heading="购物车在等您",
                paragraphs=(
                    '{{ customer.name|default:"您好" }}，您加入购物车的商品还没有下单，我们已为您保留。',
                    "如有疑问，直接回复这封邮件即可联系我们。",
                ),
                before=NEEDED_EVENT_PRODUCT.format(button="查看商品"),
                products='placement="bought-together" n="3" columns="3" title="搭配购买" button="去看看"',
                reason="您收到这封邮件，是因为您在{{ shop.name }}加购了商品。",
            ),
        },
    ),
)
