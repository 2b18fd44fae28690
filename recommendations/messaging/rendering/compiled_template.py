"""A version of a template with its compiled languages, cached in each process."""

import threading
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import cached_property

from config.foundation.shop.profile import get_shop
from recommendations.messaging.compilation.compiler import CompiledContent, ContentSource, compile_content
from recommendations.messaging.compilation.product_rows import MessageProductRow
from recommendations.messaging.models import TemplateVersion
from recommendations.messaging.substitution.choices import MessageChoices
from recommendations.messaging.substitution.context import RenderContext
from recommendations.messaging.substitution.links import LinkBuilder
from recommendations.messaging.substitution.recipients import Recipient

MAX_CACHED_VERSIONS = 64
OPEN_PIXEL = '<img src="{url}" width="1" height="1" alt="" style="display:block;border:0" />'


class NoContentError(ValueError):
    """A version without content in any language."""


@dataclass(frozen=True)
class RenderedMessage:
    """A message for one recipient. html: "" for channels that send text or JSON, which is in `text`."""

    subject: str
    preheader: str
    html: str
    text: str


@dataclass
class CompiledTemplate:
    """The compiled languages of a version."""

    version_id: int
    channel: str
    is_transactional: bool = False
    contents: dict[str, CompiledContent] = field(default_factory=dict)
    key: str = ""

    @cached_property
    def product_rows(self) -> list[MessageProductRow]:
        """The product rows of all languages; rows with the same key are one row."""
        return list({row.key: row for content in self.contents.values() for row in content.product_rows}.values())

    @cached_property
    def coupon_pools(self) -> list[str]:
        """The keys of the coupon pools of all languages."""
        return list(dict.fromkeys(pool for content in self.contents.values() for pool in content.coupon_pools))

    @cached_property
    def fields(self) -> frozenset[str]:
        """The fields that `load_recipients` must load."""
        return frozenset().union(*(content.fields for content in self.contents.values()))

    def choose_language(self, language: str) -> str:
        """Return the language to send: the customer's, the shop's, or the first that exists. Errors: NoContentError."""
        for wanted in (language, get_shop().language):
            match = match_language(wanted, self.contents)
            if match:
                return match
        if not self.contents:
            raise NoContentError(f"Version {self.version_id} has no content. Write it in at least one language.")
        return next(iter(self.contents))

    def render(
        self, *, recipient: Recipient, choices: MessageChoices, links: LinkBuilder, language: str
    ) -> RenderedMessage:
        """Render the message for one recipient. language: a result of `choose_language`."""
        content = self.contents[language]
        if choices.event_products:
            recipient = replace(recipient, event={**recipient.event, **choices.event_products})
        context = RenderContext(recipient, choices, links, language, get_shop())
        html = content.html.render(context)
        if html and (pixel := links.open_pixel()):
            html = html.replace("</body>", f"{OPEN_PIXEL.format(url=pixel)}</body>", 1)
        return RenderedMessage(
            subject=" ".join(content.subject.render(context).split()),
            preheader=content.preheader.render(context),
            html=html,
            text=content.text.render(context),
        )


def match_language(wanted: str, languages: Collection[str]) -> str:
    """Return the available language that fits a wanted one such as zh-CN, or ""."""
    wanted = wanted.lower().replace("_", "-")
    if wanted in languages:
        return wanted
    main = wanted.partition("-")[0]
    return next((language for language in languages if main and language.partition("-")[0] == main), "")


def compile_version(version: TemplateVersion) -> CompiledTemplate:
    """Compile all languages of a version. Errors: SourceError."""
    template = version.template
    compiled = CompiledTemplate(version.pk, template.channel, template.is_transactional, key=template.key)
    for stored in version.contents.all():
        source = ContentSource(stored.language, stored.source, stored.subject, stored.preheader, stored.text)
        compiled.contents[stored.language] = compile_content(
            source, channel=template.channel, is_transactional=template.is_transactional
        )
    return compiled


class CompiledCache:
    """The versions used last. Published versions never change, so an entry never expires; drafts are not cached."""

    def __init__(self) -> None:
        self._versions: OrderedDict[int, CompiledTemplate] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, version_id: int) -> CompiledTemplate:
        with self._lock:
            compiled = self._versions.get(version_id)
            if compiled is not None:
                self._versions.move_to_end(version_id)
                return compiled
        version = TemplateVersion.objects.select_related("template").prefetch_related("contents").get(pk=version_id)
        compiled = compile_version(version)
        if version.published_at is not None:
            with self._lock:
                self._versions[version_id] = compiled
                while len(self._versions) > MAX_CACHED_VERSIONS:
                    self._versions.popitem(last=False)
        return compiled

    def forget(self) -> None:
        with self._lock:
            self._versions.clear()


_cache = CompiledCache()


def get_compiled(version_id: int) -> CompiledTemplate:
    """Return a compiled version. Errors: TemplateVersion.DoesNotExist; SourceError for a draft with errors."""
    return _cache.get(version_id)


def forget_compiled() -> None:
    """Drop the cache of this process, for tests."""
    _cache.forget()
