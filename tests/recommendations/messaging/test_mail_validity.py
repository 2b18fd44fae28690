"""The ready-made mails, judged by strict parsers: HTML whose elements are closed, and parts and headers by Python's email policy."""

from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser

import pytest

from recommendations.messaging.compilation.compiler import ContentSource, compile_content
from recommendations.messaging.mjml.tree import VOID_TAGS, parse_source
from recommendations.messaging.mjml.validation import validate_tree
from recommendations.messaging.rendering import CompiledTemplate, MessageChoices, Recipient
from recommendations.messaging.starters.layout import build_source
from recommendations.messaging.starters.texts import STARTERS
from tests.recommendations.messaging.makers import CountingLinks, make_card

CASES = [(starter.key, language) for starter in STARTERS for language in starter.texts]


class StrictParser(HTMLParser):
    """Fails on elements that are not closed or closed twice, attributes that occur twice, and images without alternative text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _value in attrs]
        assert len(names) == len(set(names)), f"<{tag}> repeats an attribute"
        assert tag != "img" or "alt" in names
        if tag not in VOID_TAGS:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID_TAGS or not attrs, f"<{tag}/> is not a void element"
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}>"


@pytest.mark.django_db
@pytest.mark.parametrize(("key", "language"), CASES)
def test_a_ready_made_mail_is_valid(key: str, language: str) -> None:
    text = next(starter for starter in STARTERS if starter.key == key).texts[language]
    source = build_source(text)
    assert validate_tree(parse_source(source)) == []
    content = compile_content(ContentSource(language, source, text.subject, text.preheader), channel="email")
    rows = {row.key: [make_card(number) for number in range(min(row.n, 5))] for row in content.product_rows}
    message = CompiledTemplate(1, "email", False, {language: content}).render(
        recipient=Recipient(1, name="Ann & Lee"), choices=MessageChoices(rows), links=CountingLinks(), language=language
    )
    parser = StrictParser()
    parser.feed(message.html)
    parser.close()
    assert parser.open == []
    assert "{{" not in message.html + message.text + message.subject
    assert 'name="color-scheme"' in message.html
    assert len(message.html.encode()) < 102 * 1024
    mail = EmailMessage(policy.SMTP)
    mail["Subject"] = message.subject
    mail.set_content(message.text)
    mail.add_alternative(message.html, subtype="html")
    read = message_from_bytes(mail.as_bytes(), policy=policy.strict)
    assert [part.get_content_type() for part in read.iter_parts()] == ["text/plain", "text/html"]
    assert read["Subject"] == message.subject
    assert "\n\n\n" not in message.text
