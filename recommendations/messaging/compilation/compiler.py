"""Compiles one language of a template version."""

import json
import re
from dataclasses import dataclass, field

from django.utils.translation import gettext as _
from django.utils.translation import override
from mjml import mjml2html

from recommendations.messaging.channels import Channel
from recommendations.messaging.compilation.blocks import BlockExpander, ExpandedSource
from recommendations.messaging.compilation.html_document import (
    build_target,
    complete_document,
    extract_rows,
    replace_links,
)
from recommendations.messaging.compilation.plain_text import derive_text
from recommendations.messaging.compilation.product_rows import MessageProductRow, check_row
from recommendations.messaging.compilation.slots import SlotTable
from recommendations.messaging.mjml.problems import SourceError, SourceProblem, make_problem
from recommendations.messaging.mjml.tree import SourceTree, parse_source
from recommendations.messaging.mjml.validation import validate_tree
from recommendations.messaging.substitution.fragments import Fragment, Getter, LinkGetter, escape_html
from recommendations.messaging.substitution.product_texts import ProductTextGetter
from recommendations.messaging.substitution.variables import VARIABLE, VariableError, parse_variable

JSON_CHANNELS = frozenset({Channel.PUSH, Channel.WEBHOOK, Channel.ON_SITE})
URL = re.compile(r"https?://[^\s<>\"“”]+[^\s<>\"“”.,;:!?)，。；！？）]")


@dataclass
class CompiledContent:
    """One language of a version, ready to be rendered."""

    language: str
    subject: Fragment
    preheader: Fragment
    html: Fragment
    text: Fragment
    product_rows: list[MessageProductRow] = field(default_factory=list)
    coupon_pools: list[str] = field(default_factory=list)
    fields: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ContentSource:
    """What is compiled: a `TemplateContent` or an unsaved draft of one."""

    language: str
    source: str
    subject: str = ""
    preheader: str = ""
    text: str = ""


def compile_content(
    content: ContentSource, *, channel: str, is_transactional: bool = False, needs_footer: bool | None = None
) -> CompiledContent:
    """Compile a content. Errors: SourceError with all problems, each with its line.

    needs_footer: whether a missing footer is an error; None: in marketing messages. Previews show such a message.
    """
    with override(content.language):
        if channel == Channel.EMAIL:
            needs_footer = not is_transactional if needs_footer is None else needs_footer
            return _compile_email(content, is_transactional=is_transactional, needs_footer=needs_footer)
        return _compile_text_message(content, is_json=channel in JSON_CHANNELS)


def check_source(tree: SourceTree) -> list[SourceProblem]:
    """Return the errors of a source: of MJML, of the project's own blocks, and of variables."""
    problems = validate_tree(tree)
    for element in tree.walk():
        if element.tag == "mj-products":
            problems += check_row(tree, element)
    for match in VARIABLE.finditer(tree.source):
        try:
            parse_variable(match[1])
        except VariableError as error:
            problems.append(make_problem(tree.source, match.start(), str(error)))
    for match in re.finditer(r"\{%.*?%\}", tree.source):
        problems.append(
            make_problem(
                tree.source, match.start(), _("Tags such as {% if %} are not supported. Use variables with default.")
            )
        )
    return sorted(problems)


def check_footer(tree: SourceTree) -> list[SourceProblem]:
    """Return an error if a marketing message lacks the unsubscribe link or the postal address."""
    if any(element.tag == "mj-footer" for element in tree.walk()):
        return []
    needed = {"links.unsubscribe": _("an unsubscribe link"), "shop.postal_address": _("the postal address")}
    names = set()
    for match in VARIABLE.finditer(tree.source):
        try:
            names.add(parse_variable(match[1]).name)
        except VariableError:
            continue
    missing = [label for name, label in needed.items() if name not in names]
    if not missing:
        return []
    message = _("Marketing email needs %(missing)s. Add the block <mj-footer></mj-footer> at the end.")
    end = tree.source.rfind("</mj-body>")
    return [make_problem(tree.source, max(end, 0), message % {"missing": ", ".join(missing)})]


def _compile_email(content: ContentSource, *, is_transactional: bool, needs_footer: bool) -> CompiledContent:
    tree = parse_source(content.source)
    problems = check_source(tree)
    if needs_footer:
        problems += check_footer(tree)
    if problems:
        raise SourceError(problems)
    slots = SlotTable.for_source(content.source)
    expanded = BlockExpander(tree, slots, is_transactional=is_transactional).expand()
    html = _run_compiler(slots.replace_variables(expanded.source))
    subject, preheader = (
        " ".join(slots.replace_variables(text).split()) for text in (content.subject, content.preheader)
    )
    html = complete_document(html, language=content.language, subject=subject, preheader=preheader)
    html = replace_links(html, slots)
    text = _replace_text_links(slots.replace_variables(content.text), slots) or _derive_text(html, expanded, slots)
    html = extract_rows(html, expanded.rows, slots)
    return _build_content(content.language, slots, expanded, subject=subject, preheader=preheader, html=html, text=text)


def _run_compiler(source: str) -> str:
    try:
        return str(mjml2html(source, fonts={}))
    except ValueError as error:  # the tree is valid by now, so this is a construct that only the compiler rejects
        message = _("The MJML compiler reports: %(error)s. Check quotes and special characters, such as & and <.")
        raise SourceError([SourceProblem(1, 1, message % {"error": error})]) from error


def _derive_text(html: str, expanded: ExpandedSource, slots: SlotTable) -> str:
    """Return the text part with placeholders: a product row is a list of its products."""
    for number, row in enumerate(expanded.rows):
        marker = f"{slots.nonce}row{number}"
        begin, end = html.index(f"{marker}begin"), html.index(f"{marker}end") + len(f"{marker}end")
        title = slots.build_fragment(slots.replace_variables(row.title), _keep)
        html = f"{html[:begin]}<p>{slots.add(ProductTextGetter(row.key, title))}</p>{html[end:]}"
    return derive_text(html)


def _replace_text_links(text: str, slots: SlotTable) -> str:
    def replace(match: re.Match[str]) -> str:
        return slots.add(
            LinkGetter(build_target(match[0], slots), slots.pattern.sub("…", match[0])[:60]), is_markup=True
        )

    return URL.sub(replace, text)


def _keep(getter: Getter) -> Getter:
    return getter


def _build_content(
    language: str, slots: SlotTable, expanded: ExpandedSource, *, subject: str, preheader: str, html: str, text: str
) -> CompiledContent:
    variables = slots.list_variables()
    pools = [*expanded.pools, *(variable.path[1] for variable in variables if variable.path[0] == "coupon")]
    return CompiledContent(
        language=language,
        subject=slots.build_fragment(subject, _keep),
        preheader=slots.build_fragment(preheader, _keep),
        html=slots.build_fragment(html, escape_html),
        text=slots.build_fragment(text, _keep),
        product_rows=expanded.rows,
        coupon_pools=list(dict.fromkeys(pools)),
        fields=frozenset(name for variable in variables for name in variable.fields),
    )


def _compile_text_message(content: ContentSource, *, is_json: bool) -> CompiledContent:
    slots = SlotTable.for_source(content.source)
    if is_json:
        try:
            json.loads(content.source or "{}")
        except json.JSONDecodeError as error:
            raise SourceError(
                [
                    SourceProblem(
                        error.lineno, error.colno, _("This is not valid JSON: %(error)s.") % {"error": error.msg}
                    )
                ]
            ) from error
    text, subject, preheader = (
        slots.replace_variables(part) for part in (content.source, content.subject, content.preheader)
    )
    text = _replace_text_links(text, slots)
    compiled = _build_content(
        content.language, slots, ExpandedSource(""), subject=subject, preheader=preheader, html="", text=text
    )
    if is_json:
        compiled.text = slots.build_fragment(text, _escape_json)
    return compiled


def _escape_json(getter: Getter) -> Getter:
    return lambda context: json.dumps(getter(context), ensure_ascii=False)[1:-1]


def find_content_problems(content: ContentSource, *, channel: str, is_transactional: bool) -> list[SourceProblem]:
    """Return the problems that prevent a content from being sent."""
    try:
        compile_content(content, channel=channel, is_transactional=is_transactional)
    except SourceError as error:
        return error.problems
    return []
