"""Messages by lifecycle: win-back, VIP, birthday, sunset."""

from recommendations.messaging.starters.layout import StarterText
from recommendations.messaging.starters.starter import Starter

LIFECYCLE_STARTERS = (
    Starter(
        "win-back",
        {"en": "Win-back", "zh-hans": "流失召回"},
        {
            "en": "For customers who have not ordered for longer than usual.",
            "zh-hans": "发给长时间没有下单的客户。",
        },
        {
            "en": StarterText(
                subject='{{ customer.first_name|default:"Hello" }}, we miss you',
                preheader="A few things that you may like, chosen for you.",
                heading="It has been a while",
                paragraphs=(
                    'Hello {{ customer.first_name|default:"there" }}, we have not seen you for a while. There is a lot new at {{ shop.name }}.',
                    "These products match what you liked before.",
                ),
                products='placement="for-you" n="6" columns="3" title="Picked for you" button="View"',
                reason="You are receiving this email because you are a customer of {{ shop.name }}.",
            ),
            "zh-hans": StarterText(
                subject='{{ customer.name|default:"您好" }}，好久不见',
                preheader="为您挑选了几款可能喜欢的商品。",
                heading="好久不见，甚是想念",
                paragraphs=(
                    '{{ customer.name|default:"您好" }}，您有一段时间没来{{ shop.name }}了，这里有不少新变化。',
                    "根据您的喜好，我们为您挑选了这些商品：",
                ),
                products='placement="for-you" n="6" columns="3" title="为您推荐" button="去看看"',
                reason="您收到这封邮件，是因为您是{{ shop.name }}的客户。",
            ),
        },
    ),
    Starter(
        "vip",
        {"en": "VIP", "zh-hans": "VIP 关怀"},
        {"en": "Thanks the best customers.", "zh-hans": "感谢最有价值的客户。"},
        {
            "en": StarterText(
                subject="Thank you for being one of our best customers",
                preheader="You see the new products first.",
                heading='Thank you, {{ customer.first_name|default:"dear customer" }}',
                paragraphs=(
                    "You are one of our best customers, and we would like to thank you for that.",
                    "You see our newest products before everyone else.",
                ),
                products='placement="new" n="6" columns="3" title="New, and for you first" button="View"',
                reason="You are receiving this email because you are a customer of {{ shop.name }}.",
            ),
            "zh-hans": StarterText(
                subject="感谢您一直以来的支持",
                preheader="新品抢先看，仅限重要客户。",
                heading='{{ customer.name|default:"尊敬的客户" }}，感谢有您',
                paragraphs=(
                    "您是{{ shop.name }}最重要的客户之一，感谢您一直以来的信任。",
                    "我们的新品，请您抢先看：",
                ),
                products='placement="new" n="6" columns="3" title="新品抢先看" button="去看看"',
                reason="您收到这封邮件，是因为您是{{ shop.name }}的客户。",
            ),
        },
    ),
    Starter(
        "birthday",
        {"en": "Birthday", "zh-hans": "生日祝福"},
        {"en": "Congratulates on the birthday.", "zh-hans": "在客户生日当天送上祝福。"},
        {
            "en": StarterText(
                subject='Happy birthday, {{ customer.first_name|default:"dear customer" }}!',
                preheader="We wish you a wonderful day.",
                heading="Happy birthday!",
                paragraphs=(
                    'Dear {{ customer.first_name|default:"customer" }}, everyone at {{ shop.name }} wishes you a wonderful day.',
                    "Treat yourself: we chose a few things for you.",
                ),
                products='placement="for-you" n="3" columns="3" title="Picked for you" button="View"',
                reason="You are receiving this email because you gave us your birthday.",
            ),
            "zh-hans": StarterText(
                subject='{{ customer.name|default:"您好" }}，生日快乐！',
                preheader="祝您度过美好的一天。",
                heading="生日快乐！",
                paragraphs=(
                    '亲爱的{{ customer.name|default:"客户" }}，{{ shop.name }}全体伙伴祝您生日快乐！',
                    "今天值得犒劳一下自己，看看我们为您挑选的好物：",
                ),
                products='placement="for-you" n="3" columns="3" title="为您推荐" button="去看看"',
                reason="您收到这封邮件，是因为您向我们提供过生日信息。",
            ),
        },
    ),
    Starter(
        "sunset",
        {"en": "Sunset", "zh-hans": "沉默客户确认"},
        {
            "en": "Asks customers who no longer react whether they still want to hear from the shop.",
            "zh-hans": "询问长期没有互动的客户是否愿意继续接收消息。",
        },
        {
            "en": StarterText(
                subject="Do you still want to hear from us?",
                preheader="Stay or go: one click is enough.",
                heading="Shall we stay in touch?",
                paragraphs=(
                    'Hello {{ customer.first_name|default:"there" }}, you have not clicked in our messages for a while. '
                    "We only want to write to people who enjoy hearing from us.",
                    "To stay, click the button.",
                ),
                button=("Keep me subscribed", "{{ links.preferences }}"),
                reason="You are receiving this email because you signed up at {{ shop.name }}.",
            ),
            "zh-hans": StarterText(
                subject="您还愿意收到我们的消息吗？",
                preheader="去或留，一键决定。",
                heading="还想继续收到消息吗？",
                paragraphs=(
                    '{{ customer.name|default:"您好" }}，您已经有一段时间没有点击我们的邮件了。我们只想打扰愿意收到消息的人。',
                    "如愿意继续接收，请点击下方按钮。",
                ),
                button=("继续接收", "{{ links.preferences }}"),
                reason="您收到这封邮件，是因为您订阅了{{ shop.name }}的消息。",
            ),
        },
    ),
)
