"""Judges an email as it arrives, by strict parsers: MIME by Python's email package, HTML by html5lib, CSS by tinycss2."""

import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from xml.etree.ElementTree import Element

import html5lib
import tinycss2

GMAIL_CLIP = 102 * 1024
MAX_LINE = 998  # RFC 5322, 2.1.1, without the line break
MESSAGE_ID = re.compile(r"<[^\s<>@]+@[^\s<>@]+\.[^\s<>@]+>")
PLACEHOLDER = re.compile(r"\{\{|\{%")


def read_mail(data: bytes) -> EmailMessage:
    """Return the email; defects of MIME and of headers are errors."""
    mail = message_from_bytes(data, policy=policy.default.clone(raise_on_defect=True))
    assert isinstance(mail, EmailMessage)
    for part in mail.walk():
        assert not part.defects, part.defects
        for name, value in part.items():
            assert not value.defects, (name, value.defects)  # type: ignore[attr-defined]
    return mail


def find_mail_faults(data: bytes) -> list[str]:
    """Return what a strict mailbox provider could object to in a marketing email."""
    mail = read_mail(data)
    html, text = mail.get_body(("html",)), mail.get_body(("plain",))
    if mail.get_content_type() != "multipart/alternative" or html is None or text is None:
        return ["The email is no alternative of a text and an HTML part."]
    return [
        *find_transport_faults(data),
        *find_header_faults(mail),
        *find_html_faults(html.get_content()),
        *find_text_faults(text.get_content()),
    ]


def find_transport_faults(data: bytes) -> Iterator[str]:
    """RFC 5321 and 5322: lines end with CRLF, are at most 998 bytes long, and are ASCII."""
    lines = data.split(b"\r\n")
    if any(b"\n" in line or b"\r" in line for line in lines):
        yield "A line does not end with CRLF."
    if max(map(len, lines)) > MAX_LINE:
        yield f"A line has {max(map(len, lines))} bytes."
    if not data.isascii():
        yield "The email is not encoded as ASCII."


def find_header_faults(mail: EmailMessage) -> Iterator[str]:
    """RFC 5322, 2369 and 8058, and the rules of Google and Yahoo for bulk senders."""
    for name in ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "List-Unsubscribe", "List-ID"):
        if len(mail.get_all(name, [])) != 1:
            yield f"There are {len(mail.get_all(name, []))} headers {name}."
    if not MESSAGE_ID.fullmatch(mail["Message-ID"]):
        yield f"The Message-ID is {mail['Message-ID']}."
    if parsedate_to_datetime(mail["Date"]).tzinfo is None:
        yield "The Date has no time zone."
    if not re.fullmatch(r"<https://[^>\s]+>,\s*<mailto:[^>\s]+>", mail["List-Unsubscribe"]):
        yield f"List-Unsubscribe is {mail['List-Unsubscribe']}."
    if mail["List-Unsubscribe-Post"] != "List-Unsubscribe=One-Click":
        yield "The email cannot be unsubscribed with one click."
    if PLACEHOLDER.search(mail["Subject"]) or not mail["Subject"].strip():
        yield f"The subject is {mail['Subject']!r}."


def find_html_faults(html: str) -> Iterator[str]:
    """Return the parse errors of HTML and CSS, and what mail programs do not show."""
    parser = html5lib.HTMLParser(namespaceHTMLElements=False)
    document = parser.parse(html)
    for (line, column), code, details in parser.errors:
        yield f"HTML, line {line}, column {column}: {code} {details}"
    if not document.get("lang"):
        yield "The document has no language."
    if len(html.encode()) >= GMAIL_CLIP:
        yield f"Gmail cuts {len(html.encode())} bytes."
    if PLACEHOLDER.search(html):
        yield "A variable was not replaced."
    for element in document.iter():
        if isinstance(element.tag, str):
            yield from find_element_faults(element)


def find_element_faults(element: Element) -> Iterator[str]:
    if element.tag == "a" and not element.get("href", "").startswith(("https://", "mailto:")):
        yield f"A link leads to {element.get('href')!r}."
    if element.tag == "img":
        if element.get("alt") is None or not (element.get("width") or "").isdecimal():
            yield f"An image lacks an alternative text or its width: {element.attrib}"
        if element.get("height") is not None and not element.get("height", "").isdecimal():
            yield f"The height of an image is {element.get('height')!r}."
        if not element.get("src", "").startswith("https://") or ".svg" in element.get("src", ""):
            yield f"Mail programs do not show the image {element.get('src')!r}."
    if element.tag in ("script", "iframe", "form", "object"):
        yield f"Mail programs remove <{element.tag}>."
    if element.tag == "style":
        for rule in tinycss2.parse_stylesheet(element.text or "", skip_comments=True, skip_whitespace=True):
            if rule.type == "error":
                yield f"CSS: {rule.message}"
    if style := element.get("style"):
        for declaration in tinycss2.parse_declaration_list(style, skip_comments=True, skip_whitespace=True):
            if declaration.type != "declaration":
                yield f"CSS in {style[:80]!r}: {declaration}"


def find_text_faults(text: str) -> Iterator[str]:
    if len(text.split()) < 5:
        yield f"The text part is almost empty: {text!r}"
    if PLACEHOLDER.search(text) or re.search(r"<[a-z/!]|&(?:amp|lt|gt|quot|#\d+);", text):
        yield "The text part has variables, tags or entities."
    if "\n\n\n" in text.replace("\r\n", "\n"):
        yield "The text part has gaps."
    if any(not url.startswith("https://") for url in re.findall(r"\bhttps?:\S+", text)):
        yield "A link of the text part is not https."
