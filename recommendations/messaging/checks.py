"""Checks of a version before it is sent: errors prevent publishing, warnings are advice."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from django.utils.translation import gettext as _

from config.foundation.number_formats import join_label
from config.foundation.shop.profile import get_shop
from recommendations.messaging.channels import Channel
from recommendations.messaging.compilation.compiler import JSON_CHANNELS, URL, ContentSource, compile_content
from recommendations.messaging.mjml.problems import WARNING, SourceError, SourceProblem, make_problem
from recommendations.messaging.mjml.tree import SourceTree, parse_source
from recommendations.messaging.models import LANGUAGES, CouponPool, TemplateContent, TemplateVersion
from recommendations.messaging.rendering import CompiledTemplate, MessageChoices, PreviewLinks, Recipient
from recommendations.messaging.substitution.variables import VARIABLE, VariableError, parse_variable

GMAIL_CLIP = 102 * 1024  # bytes of HTML, after which Gmail cuts a message
MAX_SUBJECT = 70
MIN_TEXT = 20  # characters; images alone are often filtered
COUPON = re.compile(r"\{\{\s*coupon\.([\w-]+)|<mj-coupon[^>]*\spool=[\"']([^\"']*)")
LINK = re.compile(r"\shref=(?:\"([^\"]*)\"|'([^']*)')")
SPAM_WORDS = {
    "en": (
        "100% free",
        "act now",
        "click here",
        "winner",
        "risk-free",
        "guaranteed",
        "no obligation",
        "cash bonus",
        "urgent",
    ),
    "zh-hans": ("免费领取", "点击这里", "恭喜中奖", "稳赚", "无风险", "绝对", "最低价", "限时秒杀", "紧急"),
}


@dataclass(frozen=True, order=True)
class CheckResult:
    """A finding in one language, at a line of the source (0: none)."""

    language: str
    problem: SourceProblem

    @property
    def is_error(self) -> bool:
        return self.problem.is_error

    @property
    def language_label(self) -> str:
        return str(dict(LANGUAGES).get(self.language, ""))


def check_version(version: TemplateVersion, *, now: datetime) -> list[CheckResult]:
    """Return the findings of all languages, errors first."""
    contents = list(version.contents.all())
    results = [
        CheckResult(content.language, problem)
        for content in contents
        for problem in check_content(version, content, now=now)
    ]
    written = {content.language for content in contents}
    for code, label in LANGUAGES:
        if code not in written:
            problem = SourceProblem(
                0,
                0,
                _("There is no content in %(language)s. Customers with this language get another one.")
                % {"language": label},
                WARNING,
            )
            results.append(CheckResult(code, problem))
    return sorted(results, key=lambda result: (not result.is_error, result.language, result.problem))


def check_content(version: TemplateVersion, content: TemplateContent, *, now: datetime) -> list[SourceProblem]:
    """Return the findings of one language."""
    template = version.template
    source = ContentSource(content.language, content.source, content.subject, content.preheader, content.text)
    problems = [*_check_subject(content, template.channel), *_check_pools(content, now=now)]
    try:
        compiled = compile_content(source, channel=template.channel, is_transactional=template.is_transactional)
    except SourceError as error:
        return [*error.problems, *problems]
    problems += [*_check_fallbacks(content, template.channel), *_check_text_links(content, template.channel)]
    if template.channel != Channel.EMAIL:
        return problems
    tree = parse_source(content.source)
    preview = CompiledTemplate(0, template.channel, template.is_transactional, {content.language: compiled})
    message = preview.render(
        recipient=Recipient(0),
        choices=MessageChoices(),
        links=PreviewLinks("https://example.com"),
        language=content.language,
    )
    size = len(message.html.encode())
    if size > GMAIL_CLIP:
        text = _(
            "The message is %(size)d kB. Gmail clips messages at 102 kB, including the unsubscribe link. Remove some blocks."
        )
        problems.append(SourceProblem(0, 0, text % {"size": size // 1024}, WARNING))
    if len(" ".join(message.text.split())) < MIN_TEXT:
        problems.append(
            SourceProblem(
                0, 0, _("The message has almost no text, so spam filters may reject it. Add some text."), WARNING
            )
        )
    if not template.is_transactional and not get_shop().postal_address.strip():
        text = _(
            "The shop has no postal address, which marketing email needs. Enter it under Settings › Brand and email."
        )
        problems.append(SourceProblem(0, 0, text, WARNING))
    return [*problems, *_check_elements(tree), *_check_links(tree), *_check_words(content)]


def _check_subject(content: TemplateContent, channel: str) -> Iterator[SourceProblem]:
    if channel != Channel.EMAIL:
        return
    if not content.subject.strip():
        yield SourceProblem(0, 0, _("The subject is empty. Write one."))
    elif len(content.subject) > MAX_SUBJECT and "{{" not in content.subject:
        yield SourceProblem(0, 0, _("The subject is longer than 70 characters and will be cut. Shorten it."), WARNING)
    if content.subject.isupper() or content.subject.count("!") > 1:
        yield SourceProblem(0, 0, _("A subject in capital letters or with several “!” looks like spam."), WARNING)
    if not content.preheader.strip() and "<mj-preview" not in content.source:
        yield SourceProblem(0, 0, _("There is no preview text. Inboxes show it after the subject."), WARNING)


def _check_elements(tree: SourceTree) -> Iterator[SourceProblem]:
    for element in tree.walk():
        if element.parent is not None and element.parent.tag == "mj-attributes":
            continue
        if element.tag in ("mj-image", "img"):
            if element.find_attribute("alt") is None or not element.get("alt").strip():
                yield make_problem(
                    tree.source, element.start, _("The image has no alternative text. Describe it in alt."), WARNING
                )
            source = element.get("src")
            if source.strip() in ("", "https://", "http://"):
                yield make_problem(
                    tree.source,
                    element.start,
                    _("The image has no address. Enter one that starts with https://."),
                    WARNING,
                )
            elif source.startswith("http://"):
                yield make_problem(
                    tree.source,
                    element.start,
                    _("The image is not loaded over https. Many inboxes hide such images."),
                    WARNING,
                )
        if element.tag == "mj-text" and not tree.get_content(element).strip():
            yield make_problem(
                tree.source, element.start, _("The text block is empty. Write a text or remove it."), WARNING
            )


def _check_links(tree: SourceTree) -> Iterator[SourceProblem]:
    for match in LINK.finditer(tree.source):
        target = (match[1] if match[1] is not None else match[2]).strip()
        message = describe_bad_link(target)
        if message:
            yield make_problem(tree.source, match.start() + 1, message, WARNING)


def _check_text_links(content: TemplateContent, channel: str) -> Iterator[SourceProblem]:
    """Check the addresses in texts; those in the MJML of an email are attributes, and a webhook is read by no customer."""
    if channel == Channel.WEBHOOK:
        return
    text = content.text if channel == Channel.EMAIL else content.source
    for match in URL.finditer(VARIABLE.sub(lambda found: "x" * len(found[0]), text)):
        message = describe_bad_link(text[match.start() : match.end()])
        if message and channel == Channel.EMAIL:
            yield SourceProblem(0, 0, join_label(_("Plain text"), message), WARNING)
        elif message:
            yield make_problem(text, match.start(), message, WARNING)


def describe_bad_link(target: str) -> str:
    """Return what is wrong with a link, or ""."""
    if target.startswith(("{{", "mailto:", "tel:")):
        return ""
    if target in ("", "#", "https://", "http://"):
        return _("The link has no address. Enter one that starts with https://.")
    if target.startswith("http://"):
        return _("The link “%(target)s” does not use https. Change it to https://.") % {"target": target[:80]}
    try:
        parts = urlsplit(VARIABLE.sub("x", target))
        host = parts.hostname or ""
    except ValueError:
        host = ""
    if not target.startswith("https://") or " " in VARIABLE.sub("x", target) or ("." not in host):
        return _("The link “%(target)s” is broken. Enter a complete address such as https://shop.example/sale.") % {
            "target": target[:80]
        }
    return ""


def _check_words(content: TemplateContent) -> Iterator[SourceProblem]:
    words = SPAM_WORDS.get(content.language, ())
    text = f"{content.subject}\n{content.source}".lower()
    found = [word for word in words if word in text]
    if found:
        message = _("Words that often trigger spam filters: %(words)s. Consider other wording.")
        yield SourceProblem(0, 0, message % {"words": ", ".join(found)}, WARNING)


def _check_fallbacks(content: TemplateContent, channel: str) -> Iterator[SourceProblem]:
    """Check the variables that customers may lack, in all texts of a message; a webhook is read by no customer."""
    if channel == Channel.WEBHOOK:
        return
    default = "|default:'…'" if channel in JSON_CHANNELS else '|default:"…"'
    text = _("“%(name)s” has no fallback: customers without it see a gap. Add %(default)s.")
    for offset, name in _find_gaps(content.source):
        yield make_problem(content.source, offset, text % {"name": name, "default": default}, WARNING)
    for label, part in _list_other_texts(content):
        for _offset, name in _find_gaps(part):
            message = join_label(label, text % {"name": name, "default": default})
            yield SourceProblem(0, 0, message, WARNING)


def _find_gaps(text: str) -> Iterator[tuple[int, str]]:
    """Yield the offset and the name of each variable of the customer or the event without a default."""
    for match in VARIABLE.finditer(text):
        try:
            variable = parse_variable(match[1])
        except VariableError:
            continue
        if variable.path[0] in ("customer", "event") and not variable.has_default:
            yield match.start(), variable.name


def _list_other_texts(content: TemplateContent) -> list[tuple[str, str]]:
    """Return the texts of a message besides its source, with their labels."""
    return [(_("Subject"), content.subject), (_("Preview text"), content.preheader), (_("Plain text"), content.text)]


def find_pool_keys(content: TemplateContent) -> list[str]:
    """Return the keys of the coupon pools whose codes a message shows, in the order of their first use."""
    texts = [content.source, *(text for _label, text in _list_other_texts(content))]
    return list(dict.fromkeys(first or second for text in texts for first, second in COUPON.findall(text)))


def _check_pools(content: TemplateContent, *, now: datetime) -> Iterator[SourceProblem]:
    keys = find_pool_keys(content)
    pools = {pool.key: pool for pool in CouponPool.objects.filter(key__in=keys)} if keys else {}
    for key in keys:
        pool = pools.get(key)
        if pool is None:
            yield SourceProblem(
                0, 0, _("The coupon pool “%(key)s” does not exist. Create it under Coupons.") % {"key": key}, WARNING
            )
        elif pool.expires_at is not None and pool.expires_at <= now:
            yield SourceProblem(0, 0, _("The coupon pool “%(key)s” has expired.") % {"key": key}, WARNING)
        elif not pool.codes.filter(claimed_at__isnull=True).exists():
            yield SourceProblem(
                0, 0, _("The coupon pool “%(key)s” has no codes left. Import more.") % {"key": key}, WARNING
            )
