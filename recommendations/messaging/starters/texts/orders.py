"""Messages after orders: review, replenishment, the second order."""

from recommendations.messaging.starters.layout import NEEDED_EVENT_PRODUCTS, StarterText
from recommendations.messaging.starters.starter import Starter

ORDER_STARTERS = (
    Starter(
        "post-purchase-review",
        {"en": "Post-purchase review", "zh-hans": "购后评价"},
        {"en": "Asks for a review some days after an order.", "zh-hans": "下单几天后邀请客户评价商品。"},
        {
            "en": StarterText(
                subject="How do you like your order?",
                preheader="Your review takes a minute and helps other customers.",
                heading="How was it?",
                paragraphs=(
                    'Hello {{ customer.first_name|default:"there" }}, thank you for your order. We hope that everything arrived well.',
                    "Would you tell others what you think? One sentence is enough.",
                ),
                before=NEEDED_EVENT_PRODUCTS.format(button="Write a review"),
                products='placement="for-you" n="3" columns="3" title="Picked for you" button="View"',
                reason="You are receiving this email because you ordered at {{ shop.name }}.",
            ),
            "zh-hans": StarterText(
                subject="您购买的商品用得怎么样？",
                preheader="花一分钟写条评价，帮助更多人选择。",
                heading="用得还满意吗？",
                paragraphs=(
                    '{{ customer.name|default:"您好" }}，感谢您的订单，希望商品已经顺利送达。',
                    "欢迎分享您的使用感受，一句话也很有帮助。",
                ),
                before=NEEDED_EVENT_PRODUCTS.format(button="写评价"),
                products='placement="for-you" n="3" columns="3" title="为您推荐" button="去看看"',
                reason="您收到这封邮件，是因为您在{{ shop.name }}下过单。",
            ),
        },
    ),
    Starter(
        "replenishment",
        {"en": "Replenishment", "zh-hans": "复购提醒"},
        {
            "en": "Reminds customers of what they buy regularly, at the time when they usually buy it again.",
            "zh-hans": "按客户自己的购买节奏，提醒即将用完的商品。",
        },
        {
            "en": StarterText(
                subject="Running low?",
                preheader="What you buy regularly, ready to reorder.",
                heading="Time to restock?",
                paragraphs=(
                    'Hello {{ customer.first_name|default:"there" }}, going by how often you usually buy these, you may soon run out.',
                ),
                products='placement="buy-again" n="6" columns="3" title="Buy again" button="Reorder"',
                reason="You are receiving this email because you ordered at {{ shop.name }}.",
            ),
            "zh-hans": StarterText(
                subject="常买的商品该补货了",
                preheader="您的常购清单，一键再次购买。",
                heading="是不是快用完了？",
                paragraphs=('{{ customer.name|default:"您好" }}，按您平时的购买节奏，这些商品可能快用完了。',),
                products='placement="buy-again" n="6" columns="3" title="再次购买" button="再来一单"',
                reason="您收到这封邮件，是因为您在{{ shop.name }}下过单。",
            ),
        },
    ),
    Starter(
        "first-to-second-order",
        {"en": "First to second order", "zh-hans": "首单到二单"},
        {
            "en": "Brings customers back after their first order.",
            "zh-hans": "首单之后，引导客户完成第二单。",
        },
        {
            "en": StarterText(
                subject="Thank you for your first order. What is next?",
                preheader="Chosen to go with what you bought.",
                heading="Good to have you as a customer",
                paragraphs=(
                    'Hello {{ customer.first_name|default:"there" }}, thank you again for your first order at {{ shop.name }}.',
                    "These go well with what you bought.",
                ),
                products='placement="for-you" n="6" columns="3" title="Picked for you" button="View"',
                reason="You are receiving this email because you ordered at {{ shop.name }}.",
            ),
            "zh-hans": StarterText(
                subject="感谢您的第一单，接下来看看这些",
                preheader="根据您的购买为您精选。",
                heading="很高兴成为您的选择",
                paragraphs=(
                    '{{ customer.name|default:"您好" }}，再次感谢您在{{ shop.name }}的第一笔订单。',
                    "这些商品与您买过的很搭：",
                ),
                products='placement="for-you" n="6" columns="3" title="为您推荐" button="去看看"',
                reason="您收到这封邮件，是因为您在{{ shop.name }}下过单。",
            ),
        },
    ),
)
