"""Messages when a product changes: back in stock, price drop."""

from recommendations.messaging.starters.layout import NEEDED_EVENT_PRODUCT, StarterText
from recommendations.messaging.starters.starter import Starter

CATALOG_STARTERS = (
    Starter(
        "back-in-stock",
        {"en": "Back in stock", "zh-hans": "到货通知"},
        {
            "en": "For customers who were interested in a product that is available again.",
            "zh-hans": "商品重新到货时，通知感兴趣的客户。",
        },
        {
            "en": StarterText(
                subject='Back in stock: {{ event.product.title|truncate:50|default:"your product" }}',
                preheader="It is available again, while stock lasts.",
                heading="It is back",
                paragraphs=(
                    'Hello {{ customer.first_name|default:"there" }}, the product that you wanted is available again.',
                ),
                before=NEEDED_EVENT_PRODUCT.format(button="Buy now"),
                products='placement="similar" n="3" columns="3" title="Similar products" button="View"',
                reason="You are receiving this email because you were interested in this product.",
            ),
            "zh-hans": StarterText(
                subject='到货了：{{ event.product.title|truncate:25|default:"您关注的商品" }}',
                preheader="库存有限，先到先得。",
                heading="您关注的商品到货了",
                paragraphs=('{{ customer.name|default:"您好" }}，您想要的商品现在又有货了。',),
                before=NEEDED_EVENT_PRODUCT.format(button="立即购买"),
                products='placement="similar" n="3" columns="3" title="相似商品" button="去看看"',
                reason="您收到这封邮件，是因为您关注过这款商品。",
            ),
        },
    ),
    Starter(
        "price-drop",
        {"en": "Price drop", "zh-hans": "降价提醒"},
        {
            "en": "For customers who were interested in a product that is cheaper now.",
            "zh-hans": "商品降价时，通知感兴趣的客户。",
        },
        {
            "en": StarterText(
                subject='Now cheaper: {{ event.product.title|truncate:50|default:"your product" }}',
                preheader="The price of a product that you looked at has dropped.",
                heading="The price has dropped",
                paragraphs=(
                    'Hello {{ customer.first_name|default:"there" }}, a product that you looked at now costs '
                    '<b>{{ event.product.price|money|default:"less" }}</b>.',
                ),
                before=NEEDED_EVENT_PRODUCT.format(button="Get it now"),
                products='placement="similar" n="3" columns="3" title="Similar products" button="View"',
                reason="You are receiving this email because you were interested in this product.",
            ),
            "zh-hans": StarterText(
                subject='降价了：{{ event.product.title|truncate:25|default:"您关注的商品" }}',
                preheader="您看过的商品价格下调了。",
                heading="您关注的商品降价了",
                paragraphs=(
                    '{{ customer.name|default:"您好" }}，您看过的商品现价 '
                    '<b>{{ event.product.price|money|default:"更优惠" }}</b>。',
                ),
                before=NEEDED_EVENT_PRODUCT.format(button="立即购买"),
                products='placement="similar" n="3" columns="3" title="相似商品" button="去看看"',
                reason="您收到这封邮件，是因为您关注过这款商品。",
            ),
        },
    ),
)
