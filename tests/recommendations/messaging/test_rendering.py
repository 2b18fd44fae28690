"""Messages as one recipient gets them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from config.foundation.shop.models import ShopSettings
from config.foundation.shop.profile import forget_shop
from recommendations.messaging.compilation.compiler import ContentSource, compile_content
from recommendations.messaging.mjml.problems import SourceError
from recommendations.messaging.rendering import (
    CompiledTemplate,
    MessageChoices,
    PreviewLinks,
    Recipient,
    RenderedMessage,
)
from recommendations.messaging.substitution.variables import read_path
from tests.recommendations.messaging.makers import CountingLinks, make_card, make_source

pytestmark = pytest.mark.django_db

ANN = Recipient(1, user_id="u1", name="Ann Lee", language="en", traits={"size": "M"})


def render(
    source: str,
    recipient: Recipient = ANN,
    *,
    links: PreviewLinks | None = None,
    choices: MessageChoices | None = None,
    language: str = "en",
    **texts: str,
) -> RenderedMessage:
    content = compile_content(ContentSource(language, source, **texts), channel="email")
    template = CompiledTemplate(1, "email", False, {language: content})
    return template.render(
        recipient=recipient, choices=choices or MessageChoices(), links=links or CountingLinks(), language=language
    )


def find_problems(source: str) -> list[tuple[int, str]]:
    with pytest.raises(SourceError) as error:
        compile_content(ContentSource("en", source), channel="email")
    return [(problem.line, problem.message) for problem in error.value.problems]


def test_variables_are_filled_and_fall_back() -> None:
    source = make_source(
        '<mj-text>Hi {{ customer.first_name|default:"there" }}, size {{ customer.traits.size }}</mj-text>'
    )
    assert "Hi Ann, size M" in render(source).html
    assert "Hi there, size " in render(source, Recipient(2)).text
    source = make_source("<mj-text>尊敬的{{ customer.salutation }}</mj-text>")
    assert compile_content(ContentSource("en", source), channel="email").fields == {"name", "traits"}
    assert "尊敬的王女士" in render(source, Recipient(3, name="王小明", traits={"gender": "female"})).text


def test_amounts_with_more_digits_than_decimals_have_are_shown_as_they_are() -> None:
    source = make_source("<mj-text>{{ event.value|money }} {{ event.total }} {{ event.text|money }}</mj-text>")
    event = {"value": 1e30, "total": 1e30, "text": "1" * 30}
    assert f"1e+30 1e+30 {'1' * 30}" in render(source, Recipient(1, event=event)).text


def test_an_amount_of_the_event_has_the_currency_beside_it() -> None:
    source = make_source(
        "<mj-text>{{ event.product.price|money }} {{ event.total|money }} {{ event.product.price|money:'CHF' }}</mj-text>"
    )
    event = {"product": {"price": "85.00", "currency": "GBP"}, "total": "7.50", "currency": "jpy</b>"}
    assert "£85.00 $7.50 CHF85.00" in render(source, Recipient(1, event=event)).text


def test_times_are_shown_as_days_of_the_shop(settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Shanghai"
    source = make_source(
        "<mj-text>{{ customer.last_order_at }}, {{ customer.last_order_at|date:'d MMM' }}, {{ event.ordered_at|date }}, "
        "{{ event.local_time|date }}, {{ event.day|date }}</mj-text>"
    )
    event = {"ordered_at": "2026-11-29T17:30:00Z", "local_time": "2026-11-29 17:30", "day": "2026-11-29"}
    recipient = Recipient(1, event=event, fields={"last_order_at": datetime(2026, 11, 29, 17, 30, tzinfo=UTC)})
    days = "November 30, 2026, 30 Nov, November 30, 2026, November 29, 2026, November 29, 2026"
    assert days in render(source, recipient).text
    assert "2026年11月30日" in render(source, recipient, language="zh-hans").text


def test_filters_that_cannot_apply_their_argument_are_problems() -> None:
    wrong = ('last_order_at|date:"d MMM HH:mm"', 'last_order_at|date:"dddd"', 'name|truncate:"forty"')
    source = make_source("\n".join(f"<mj-text>{{{{ customer.{variable} }}}}</mj-text>" for variable in wrong))
    assert [(line, message.partition("”")[0]) for line, message in find_problems(source)] == [
        (1, "“d MMM HH:mm"),
        (2, "“dddd"),
        (3, "“forty"),
    ]
    sound = ('last_order_at|date:"d MMM yyyy"', "last_order_at|date", 'last_order_at|date:"short"', "name|truncate:40")
    source = make_source("\n".join(f"<mj-text>{{{{ customer.{variable} }}}}</mj-text>" for variable in sound))
    assert render(source).html


def test_values_are_escaped_in_html_and_plain_in_text_and_subject() -> None:
    source = make_source("<mj-text>{{ customer.name }}</mj-text>")
    message = render(source, Recipient(1, name="<b>A & B</b>\r\nBcc: x"), subject="For {{ customer.name }}")
    assert "&lt;b&gt;A &amp; B&lt;/b&gt;" in message.html
    assert "<b>A & B</b>" in message.text
    assert message.subject == "For <b>A & B</b> Bcc: x"  # one line: no header can be injected


def test_links_are_counted_once_in_both_parts() -> None:
    links = CountingLinks()
    source = make_source(
        '<mj-button href="https://shop.example/sale?a=1&amp;name={{ customer.name }}">Shop now</mj-button>'
        '<mj-text><a href="mailto:a@b.example">Write</a></mj-text>'
    )
    message = render(source, links=links)
    assert links.clicks == [("https://shop.example/sale?a=1&name=Ann%20Lee", "Shop now")]
    assert 'href="https://mail.example/c/1"' in message.html
    assert "Shop now (https://mail.example/c/1)" in message.text
    assert 'href="mailto:a@b.example"' in message.html
    assert 'src="https://mail.example/o.gif"' in message.html


def test_a_variable_that_is_a_link_must_be_a_safe_url() -> None:
    source = make_source('<mj-button href="{{ event.url }}">Go</mj-button>')
    assert "javascript" not in render(source, Recipient(1, event={"url": "javascript:alert(1)"})).html
    links = CountingLinks()
    render(source, Recipient(1, event={"url": "https://shop.example/x"}), links=links)
    assert links.clicks == [("https://shop.example/x", "Go")]


def test_the_footer_has_the_address_and_the_links(stored_shop: None) -> None:
    ShopSettings(name="Corner Shop", postal_address="1 High Street\nLondon").save()
    forget_shop()
    message = render(make_source("<mj-text>x</mj-text>"))
    for part in ("Corner Shop · 1 High Street · London", "https://mail.example/u", "https://mail.example/p"):
        assert part in message.html
        assert part in message.text


def test_a_button_that_leads_to_the_preferences_is_counted_and_the_link_of_the_footer_is_not() -> None:
    links = CountingLinks()
    render(make_source('<mj-button href="{{ links.preferences }}">Stay</mj-button>'), links=links)
    assert links.clicks == [("https://mail.example/p", "Stay")]


def test_the_footer_is_written_in_the_language_of_the_content() -> None:
    message = render(make_source("<mj-text>你好</mj-text>"), language="zh-hans")
    assert "退订" in message.text
    assert 'lang="zh-Hans"' in message.html


def test_marketing_email_without_footer_is_an_error() -> None:
    [(line, message)] = find_problems("<mjml>\n<mj-body>\n</mj-body></mjml>")
    assert line == 3
    assert "unsubscribe" in message


def test_product_rows_show_as_many_products_as_were_chosen() -> None:
    source = make_source("", sections='<mj-products n="5" columns="3" title="For you &amp; me" button="View"/>')
    choices = MessageChoices({"row-1": [make_card(number) for number in range(4)]})
    links = CountingLinks()
    message = render(source, choices=choices, links=links)
    assert "For you &amp; me" in message.html
    assert message.html.count('src="https://images.example/') == 4
    assert "- Product 3: €3.50\n  https://mail.example/c/" in message.text
    assert {label for _url, label in links.clicks} == {"row-1:p0", "row-1:p1", "row-1:p2", "row-1:p3"}
    empty = render(source)
    assert "For you" not in empty.html + empty.text


def test_a_number_of_thousands_of_digits_is_a_problem_of_the_source() -> None:
    [(_line, message)] = find_problems(make_source("", sections=f'<mj-products n="{"9" * 5_000}"/>'))
    assert message.endswith("valid: 1 to 12.")
    assert read_path({"items": ["a", "b"]}, ("items", "1")) == "b"
    assert read_path({"items": ["a", "b"]}, ("items", "9" * 5_000)) is None


def test_a_product_without_a_link_leads_to_the_page_of_the_shop_setting(settings: Any) -> None:
    source = make_source("", sections='<mj-products n="1"/>')
    choices, links = MessageChoices({"row-1": [make_card(7, product_id="p/7", url="")]}), CountingLinks()
    settings.PRODUCT_URL = "https://shop.example/products/{product_id}"
    render(source, choices=choices, links=links)
    assert {url for url, _label in links.clicks} == {"https://shop.example/products/p%2F7"}


def test_products_chosen_at_opening_are_images_of_the_server() -> None:
    source = make_source("", sections='<mj-products n="2" choose="open"/>')
    message = render(source, choices=MessageChoices({"row-1": [make_card(0), make_card(1)]}))
    assert 'src="https://mail.example/i/row-1/1.png"' in message.html


def test_choices_survive_json() -> None:
    choices = MessageChoices({"row-1": [make_card(0), make_card(1, price=None)]}, {"welcome": "ABC"}, "no_content")
    assert MessageChoices.from_json(choices.to_json()) == choices


def test_problems_name_the_line_and_the_fix() -> None:
    source = "<mjml>\n<mj-body>\n<mj-secton></mj-secton>\n<mj-section colr='x'><mj-column>\n<mj-text>{{ customer.nme }}</mj-text>\n"
    source += "<mj-products n='99'/></mj-column></mj-section><mj-footer></mj-footer></mj-body></mjml>"
    problems = find_problems(source)
    assert (3, "Unknown tag <mj-secton>. Did you mean <mj-section>?") in problems
    assert (5, "Unknown variable “customer.nme”. Did you mean “customer.name”?") in problems
    assert {line for line, _message in problems} == {3, 4, 5, 6}


@pytest.mark.parametrize("number", ["0", "13", "²", "9" * 5000])
def test_a_wrong_number_of_products_is_named(number: str) -> None:
    [(_line, message)] = find_problems(make_source("", sections=f'<mj-products n="{number}"/>'))
    assert message == f"n is “{number[:100]}”; valid: 1 to 12."


def test_a_position_that_a_list_does_not_have_is_empty() -> None:
    event = {"names": ["Tea", "Cup"]}
    for position, name in {"1": "Cup", "2": "", "²": "", "9" * 5000: ""}.items():
        source = make_source(f"<mj-text>({{{{ event.names.{position} }}}})</mj-text>")
        assert f"({name})" in render(source, Recipient(1, event=event)).text


@pytest.mark.parametrize(
    "source",
    [
        "",
        "hello",
        "<mjml><mj-body>",
        "<mjml><mj-body><mj-text>x</mj-text></mj-body></mjml>",
        make_source("<mj-text>1 < 2</mj-text>"),
        make_source("<mj-text><a href=x>y</a></mj-text>"),
        make_source("<mj-text><b>y</mj-text>"),
        make_source("<mj-text><script>x</script></mj-text>"),
        make_source("<mj-image/>"),
        make_source("<mj-text>{% if x %}</mj-text>"),
        make_source("<mj-text>{{ customer.__class__ }}</mj-text>"),
    ],
)
def test_wrong_sources_are_rejected_before_the_compiler(source: str) -> None:
    assert find_problems(source)


def test_text_channels_count_their_links() -> None:
    content = compile_content(ContentSource("en", "Hi {{ customer.name }}: https://shop.example/s."), channel="sms")
    template = CompiledTemplate(1, "sms", False, {"en": content})
    message = template.render(recipient=ANN, choices=MessageChoices(), links=CountingLinks(), language="en")
    assert message.text == "Hi Ann Lee: https://mail.example/c/1."


def test_json_channels_stay_valid_json() -> None:
    content = compile_content(ContentSource("en", '{"title": "Hi {{ customer.name }}"}'), channel="push")
    template = CompiledTemplate(1, "push", False, {"en": content})
    message = template.render(
        recipient=Recipient(1, name='A "B"'), choices=MessageChoices(), links=CountingLinks(), language="en"
    )
    assert message.text == '{"title": "Hi A \\"B\\""}'
