"""Creates the ready-made templates."""

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from config.foundation.shop.profile import get_shop
from recommendations.messaging.channels import Channel
from recommendations.messaging.compilation.compiler import ContentSource
from recommendations.messaging.models import MessageTemplate
from recommendations.messaging.starters.layout import StarterText, build_source
from recommendations.messaging.starters.starter import Starter
from recommendations.messaging.starters.texts import STARTERS
from recommendations.messaging.versions import create_template, publish_draft

BY = "Perennial"
EMPTY_TEXTS = {
    "en": StarterText(
        subject="News from {{ shop.name }}",
        preheader="",
        heading='Hello {{ customer.first_name|default:"there" }}',
        paragraphs=("Write your text here.",),
    ),
    "zh-hans": StarterText(
        subject="{{ shop.name }}的最新消息",
        preheader="",
        heading='{{ customer.name|default:"您好" }}',
        paragraphs=("在此填写正文。",),
    ),
}
FIRST_SOURCES = {
    Channel.PUSH: '{"title": "{{ shop.name }}", "body": "", "url": ""}',
    Channel.ON_SITE: '{"title": "", "text": "", "url": "", "image_url": ""}',
    Channel.WEBHOOK: '{"customer": "{{ customer.user_id }}", "event": "{{ event.product.title }}"}',
}


def ensure_starter_templates(
    keys: Iterable[str] | None = None, *, now: datetime | None = None
) -> dict[str, MessageTemplate]:
    """Return the ready-made templates by key; create and publish those that do not exist. Edited ones stay as they are.

    keys: only these. Errors: ValueError for an unknown key.
    """
    starters = {starter.key: starter for starter in STARTERS}
    wanted = list(starters) if keys is None else list(keys)
    unknown = [key for key in wanted if key not in starters]
    if unknown:
        raise ValueError(f"Unknown template {unknown[0]!r}; valid: {', '.join(starters)}.")
    with transaction.atomic():
        templates = {template.key: template for template in MessageTemplate.objects.filter(key__in=wanted)}
        for key in wanted:
            if key not in templates:
                templates[key] = _create_starter(starters[key], now or timezone.now())
    return templates


def _create_starter(starter: Starter, now: datetime) -> MessageTemplate:
    language = "zh-hans" if get_shop().language.startswith("zh") else "en"
    template = create_template(
        key=starter.key,
        name=starter.names[language],
        description=starter.descriptions[language],
        contents={
            code: ContentSource(code, build_source(text), text.subject, text.preheader)
            for code, text in starter.texts.items()
        },
        by=BY,
    )
    publish_draft(template=template, now=now)
    return template


def build_first_contents(key: str, *, channel: str, language: str) -> dict[str, ContentSource]:
    """Return the contents of a new template: those of a ready-made one, or a short message in one language."""
    starter = next((starter for starter in STARTERS if starter.key == key), None)
    if channel == Channel.EMAIL:
        texts = starter.texts if starter is not None else {language: EMPTY_TEXTS[language]}
        return {
            code: ContentSource(code, build_source(text), text.subject, text.preheader) for code, text in texts.items()
        }
    return {language: ContentSource(language, FIRST_SOURCES.get(Channel(channel), ""))}
