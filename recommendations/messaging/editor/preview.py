"""Renders a draft as a customer would get it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from catalog.product_links import resolve_product_url
from customers.identity.models import Customer
from customers.identity.personal_data.masking import MASK, mask_id, mask_json
from customers.lifecycle.models import CustomerProfile
from recommendations.messaging.cards.signed_cards import build_card_path
from recommendations.messaging.channels import Channel
from recommendations.messaging.compilation.compiler import ContentSource, compile_content
from recommendations.messaging.compilation.product_rows import AT_OPEN, MessageProductRow
from recommendations.messaging.models import MessageTemplate, TemplateContent
from recommendations.messaging.rendering import (
    CompiledTemplate,
    MessageChoices,
    PreviewLinks,
    Recipient,
    RenderedMessage,
    choose,
    load_recipients,
)
from recommendations.messaging.rendering.choosing import choose_products

SAMPLE_STAGES = ("loyal", "active", "new", "at_risk", "dormant", "prospect")
CANDIDATES = 100  # per stage
SAMPLE_CODE = "ABCD-1234"


@dataclass(frozen=True)
class SampleCustomer:
    """A customer to preview as; there is one for each stage."""

    customer_id: int
    stage: str


def list_sample_customers() -> list[SampleCustomer]:
    """Return one customer of each stage, the most valuable of the first hundred: sorting a million takes seconds."""
    profiles = CustomerProfile.objects.filter(customer__erased_at__isnull=True)
    first, *others = (
        profiles.filter(stage=stage).values_list("revenue", "customer_id", "stage")[:CANDIDATES]
        for stage in SAMPLE_STAGES
    )
    samples = {stage: customer_id for _revenue, customer_id, stage in sorted(first.union(*others, all=True))}
    return [SampleCustomer(samples[stage], stage) for stage in SAMPLE_STAGES if stage in samples]


def render_preview(
    *,
    template: MessageTemplate,
    content: TemplateContent,
    customer: Customer | None,
    now: datetime,
    base_url: str,
    with_personal: bool,
) -> RenderedMessage:
    """Render a content for a customer, or for someone without data. No code is claimed and nothing is recorded.

    with_personal: whether the reader may see personal data; otherwise the customer's is masked. Errors: SourceError.
    """
    source = ContentSource(content.language, content.source, content.subject, content.preheader, content.text)
    # A preview also shows a message that lacks its footer; the checks report it.
    compiled = compile_content(
        source, channel=template.channel, is_transactional=template.is_transactional, needs_footer=False
    )
    preview = CompiledTemplate(0, template.channel, True, {content.language: compiled})
    recipient = load_preview_recipient(preview, customer, now=now)
    choices = choose(preview_without_coupons(preview), {recipient.customer_id: recipient}, now=now, deliveries={})
    chosen = choices[recipient.customer_id]
    chosen.coupons = dict.fromkeys(compiled.coupon_pools, SAMPLE_CODE)
    shown = recipient if with_personal else mask_recipient(recipient)
    return preview.render(
        recipient=shown,
        choices=MessageChoices(chosen.products, chosen.coupons),
        links=PreviewLinks(base_url, list_open_cards(compiled.product_rows, chosen, content.language)),
        language=content.language,
    )


def list_open_cards(
    rows: Sequence[MessageProductRow], chosen: MessageChoices, language: str
) -> dict[tuple[str, int], str]:
    """Return the paths of the images of the rows that are chosen when the message is opened, by row and position."""
    return {
        (row.key, index): build_card_path(card, language=language)
        for row in rows
        if row.choose == AT_OPEN
        for index, card in enumerate(chosen.products.get(row.key, ()))
    }


def preview_without_coupons(compiled: CompiledTemplate) -> CompiledTemplate:
    """Return the template with its product rows only, so that no code is claimed."""
    copy = CompiledTemplate(compiled.version_id, compiled.channel, compiled.is_transactional, compiled.contents)
    copy.__dict__["coupon_pools"] = []
    return copy


def load_preview_recipient(compiled: CompiledTemplate, customer: Customer | None, *, now: datetime) -> Recipient:
    """Return the recipient of a preview, with a popular product as the product that triggered the message."""
    recipient = Recipient(0)
    if customer is not None:
        recipient = load_recipients([customer.pk], fields=compiled.fields, as_of=now).get(customer.pk, recipient)
    return replace(recipient, event=make_sample_event(recipient, now=now))


def make_sample_event(recipient: Recipient, *, now: datetime) -> dict[str, Any]:
    row = MessageProductRow("sample", placement="popular", n=1)
    cards = choose_products(row, recipient, now=now).cards
    if not cards:
        return {}
    card = cards[0]
    price = "" if card.price is None else str(card.price)
    product: Mapping[str, str] = {
        "product_id": card.product_id,
        "title": card.title,
        "url": resolve_product_url(card.url, card.product_id),
        "image_url": card.image_url,
        "price": price,
        "currency": card.currency,
        "category": card.category,
    }
    return {"product": {name: value for name, value in product.items() if value}}


def mask_recipient(recipient: Recipient) -> Recipient:
    """Return a recipient whose personal data is hidden."""
    fields = {name: MASK if name == "birthday" and value else value for name, value in recipient.fields.items()}
    traits = mask_json(recipient.traits, among_traits=True)
    return replace(
        recipient,
        user_id=mask_id(recipient.user_id),
        name=mask_value(recipient.name),
        email=mask_value(recipient.email),
        phone=mask_value(recipient.phone),
        traits=traits,
        fields=fields,
    )


def mask_value(value: str) -> str:
    return MASK if value else ""


def is_email(template: MessageTemplate) -> bool:
    return template.channel == Channel.EMAIL
