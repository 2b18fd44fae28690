"""Renders the digest as HTML and as plain text."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _

from config.digest.sections.base import SectionContent
from config.digest.sections.registry import SECTIONS
from config.digest.weeks import DigestWeek
from config.foundation.number_formats import format_day, format_full_day, get_reader_locale
from config.foundation.shop.palette import build_palette
from config.foundation.shop.profile import get_shop


@dataclass(frozen=True)
class RenderedDigest:
    subject: str
    html: str
    text: str


def build_sections(user: Any, week: DigestWeek) -> list[SectionContent]:
    """Return the sections that the user may see and that have content."""
    contents = [section.build(week) for section in SECTIONS if user.has_perm(section.permission)]
    return [content for content in contents if content is not None]


def format_period(week: DigestWeek) -> str:
    """Return the days with the year once: Nov 16 – Nov 22, 2026, 2026年11月16日 – 11月22日."""
    first, last = week.days.first, week.days.last
    if get_reader_locale().startswith("zh"):
        return f"{format_full_day(first)} – {format_day(last)}"
    return f"{format_day(first)} – {format_full_day(last)}"


def render_digest(user: Any, week: DigestWeek, *, language: str, unsubscribe_url: str) -> RenderedDigest:
    """Return the digest of a week in a language; it contains no personal data of customers."""
    shop = get_shop()
    with override(language):
        period = format_period(week)
        context = {
            "shop": shop,
            "language": get_language(),
            "period": period,
            "sections": build_sections(user, week),
            "palette": build_palette(shop.color),
            "base": settings.PUBLIC_URL,
            "settings_url": f"{settings.PUBLIC_URL}{reverse('digest:digest')}",
            "unsubscribe_url": unsubscribe_url,
        }
        subject = _("%(shop)s: week of %(period)s") % {"shop": shop.name, "period": period}
        return RenderedDigest(
            " ".join(subject.split()),
            render_to_string("digest/mail.html", context),
            render_to_string("digest/mail.txt", context),
        )
