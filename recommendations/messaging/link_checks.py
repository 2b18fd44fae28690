"""Requests the links of a version before it is sent. The results are kept for a day, so that a campaign can show them."""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime

from django.conf import settings
from django.core.cache import cache
from django.utils.translation import get_language, override

from config.foundation.http.link_check import LinkResult, check_link
from recommendations.messaging.compilation.compiler import ContentSource, compile_content
from recommendations.messaging.mjml.problems import SourceError
from recommendations.messaging.models import TemplateVersion
from recommendations.messaging.rendering import CompiledTemplate, MessageChoices, PreviewLinks, Recipient

logger = logging.getLogger(__name__)
MAX_LINKS = 40
THREADS = 8
KEPT_SECONDS = 24 * 3600


@dataclass(frozen=True)
class LinkCheck:
    """The links of a version as they answered at a time."""

    checked_at: datetime
    results: Sequence[LinkResult]

    @property
    def broken(self) -> list[LinkResult]:
        return [result for result in self.results if result.problem]


class CollectedLinks(PreviewLinks):
    """Links that record the URLs they lead to."""

    def __init__(self) -> None:
        super().__init__(settings.PUBLIC_URL)
        self.urls: list[str] = []

    def click(self, url: str, label: str) -> str:
        self.urls.append(url)
        return url


def list_links(version: TemplateVersion) -> list[str]:
    """Return the addresses that the links of all languages lead to, for a customer without data, without those of products."""
    links = CollectedLinks()
    for content in version.contents.all():
        source = ContentSource(content.language, content.source, content.subject, content.preheader, content.text)
        try:
            compiled = compile_content(source, channel=version.template.channel, needs_footer=False)
        except SourceError:
            continue  # the checks of the source report it
        template = CompiledTemplate(0, version.template.channel, True, {content.language: compiled})
        template.render(recipient=Recipient(0), choices=MessageChoices(), links=links, language=content.language)
    return list(dict.fromkeys(links.urls))[:MAX_LINKS]


def check_links(version: TemplateVersion, *, now: datetime) -> LinkCheck:
    """Request every link of a version and keep the results."""
    language = get_language() or settings.LANGUAGE_CODE

    def check(url: str) -> LinkResult:
        with override(language):
            return check_link(url, private_hosts=settings.WEBHOOK_PRIVATE_HOSTS)

    urls = list_links(version)
    with ThreadPoolExecutor(THREADS) as pool:
        found = LinkCheck(now, list(pool.map(check, urls)))
    stored = {"at": now.isoformat(), "results": [asdict(result) for result in found.results]}
    try:
        cache.set(build_key(version), stored, KEPT_SECONDS)
    except Exception:
        logger.warning("The results of a link check cannot be stored.", exc_info=True)
    return found


def read_link_check(version: TemplateVersion) -> LinkCheck | None:
    """Return the last results of a version; None if its links were not checked, or were changed since."""
    try:
        stored = cache.get(build_key(version))
    except Exception:
        logger.warning("The results of a link check cannot be read.", exc_info=True)
        return None
    if stored is None:
        return None
    results = [LinkResult(**result) for result in stored["results"]]
    if version.published_at is None and [result.url for result in results] != list_links(version):
        return None
    return LinkCheck(datetime.fromisoformat(stored["at"]), results)


def build_key(version: TemplateVersion) -> str:
    return f"link-check:{version.pk}"
