"""How many parts the SMS of a campaign have, and what they will cost, measured on the messages of a few customers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from recommendations.campaigns.launch.readiness import find_published_version
from recommendations.campaigns.models import Campaign
from recommendations.messaging import rendering
from recommendations.messaging.channels import Channel
from recommendations.messaging.editor.preview import SAMPLE_CODE, preview_without_coupons
from recommendations.messaging.mjml.problems import SourceError
from recommendations.sending.channels.accounts import find_account
from recommendations.sending.sms.parts import SmsSize, measure_sms, read_part_price
from recommendations.sending.tracking.browser_view import build_links

SAMPLE_DELIVERY = 10**7  # links of messages contain the number of the delivery in a fixed length


@dataclass(frozen=True)
class SmsEstimate:
    """The longest message of the sample, the parts of the average one, and the price of a part, None without one."""

    longest: SmsSize
    customers: int
    mean_parts: float
    part_price: Decimal | None

    def count_parts(self, messages: int) -> int:
        return round(messages * self.mean_parts)

    def compute_cost(self, messages: int) -> Decimal | None:
        return None if self.part_price is None else self.part_price * self.count_parts(messages)


def estimate_sms(campaign: Campaign, *, customer_ids: Sequence[int], now: datetime) -> SmsEstimate | None:
    """Return the estimate for a campaign by SMS; None for other channels, and without a published message or a customer."""
    version = find_published_version(campaign) if campaign.channel == Channel.SMS else None
    if version is None or not customer_ids:
        return None
    try:
        published = rendering.get_compiled(version.pk)
    except SourceError:  # the version is older than a rule for sources
        return None
    compiled, pools = preview_without_coupons(published), published.coupon_pools
    recipients = rendering.load_recipients(customer_ids, fields=compiled.fields, as_of=now)
    choices = rendering.choose(compiled, recipients, now=now, deliveries={})
    account = find_account(Channel.SMS)
    sizes = []
    for customer_id, recipient in recipients.items():
        chosen = choices.get(customer_id)
        if chosen is None or chosen.skip_reason:
            continue
        chosen.coupons = dict.fromkeys(pools, SAMPLE_CODE)
        links = build_links(SAMPLE_DELIVERY, campaign.channel, version.pk, campaign.key)
        language = compiled.choose_language(recipient.language)
        message = compiled.render(recipient=recipient, choices=chosen, links=links, language=language)
        sizes.append(measure_sms(message.text, account, is_transactional=campaign.is_transactional))
    if not sizes:
        return None
    longest = max(sizes, key=lambda size: (size.parts, size.characters))
    mean_parts = sum(size.parts for size in sizes) / len(sizes)
    return SmsEstimate(longest, len(sizes), mean_parts, read_part_price(account))
