"""The pages of templates, as a marketer and an analyst use them."""

import re
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.translation import override

from recommendations.messaging.backoffice.editor_page import hash_source
from recommendations.messaging.compilation.compiler import ContentSource
from recommendations.messaging.coupons.claims import claim_codes
from recommendations.messaging.editor.fields import KINDS
from recommendations.messaging.models import CouponCode, CouponPool, MessageTemplate
from recommendations.messaging.starters import ensure_starter_templates
from recommendations.messaging.versions import create_template
from recommendations.sending.models import OutboxMessage
from tests.makers import NOON, make_customer
from tests.recommendations.messaging.makers import get_version, make_source, make_template

pytestmark = pytest.mark.django_db


def log_in(client: Client, settings: Any, role: str) -> None:
    settings.TWO_FACTOR_REQUIRED = False
    user = User.objects.create_user(role, password="x", is_staff=True, email="mia@shop.example")
    user.groups.add(Group.objects.get(name=role))
    client.force_login(user)


@pytest.fixture
def marketer(client: Client, settings: Any) -> Client:
    log_in(client, settings, "Marketer")
    return client


def get_url(name: str, template: MessageTemplate, *values: int) -> str:
    return reverse(f"message_templates:{name}", args=[template.pk, *values])


def post_edit(client: Client, template: MessageTemplate, op: str, **values: str) -> Any:
    source = template.versions.first().contents.get(language="en").source  # type: ignore[union-attr]
    return client.post(get_url("edit", template), {"op": op, "language": "en", "base": hash_source(source), **values})


def get_draft_source(template: MessageTemplate) -> str:
    return str(template.versions.get(published_at__isnull=True).contents.get(language="en").source)


def test_a_marketer_edits_blocks_and_publishes(marketer: Client) -> None:
    template = make_template(make_source("<mj-text>Hello</mj-text>"))
    page = marketer.get(get_url("editor", template))
    assert "Hello" in page.text
    opened = post_edit(marketer, template, "open 0.0.0")
    assert 'name="field-content"' in opened.text
    saved = post_edit(marketer, template, "save 0.0.0", **{"open-path": "0.0.0", "field-content": "Bye"})
    assert saved.headers["HX-Trigger"] == "preview-changed"
    assert get_draft_source(template) == make_source("<mj-text>Bye</mj-text>")
    post_edit(marketer, template, "add 0.0.1", **{"new-0.0.1": "mj-button"})
    post_edit(marketer, template, "up 0.0.1")
    assert get_draft_source(template).index("mj-button") < get_draft_source(template).index("Bye")
    removed = post_edit(marketer, template, "remove 0.0.1")
    match = re.search(r"<textarea name=\"removed\" hidden>\n(.*?)</textarea>", removed.text, re.DOTALL)
    assert match is not None
    assert "Bye" not in get_draft_source(template)
    marketer.post(get_url("publish", template))
    assert template.versions.get(number=2).published_at is not None


def test_an_edit_of_a_source_that_changed_meanwhile_is_refused(marketer: Client) -> None:
    template = make_template()
    answer = post_edit(marketer, template, "remove 0", base="old")
    assert answer.status_code == 409
    assert "another window" in answer.text


def test_only_a_change_creates_a_draft(marketer: Client) -> None:
    template = make_template(make_source("<mj-text>Hello</mj-text>"))
    assert 'name="field-content"' in post_edit(marketer, template, "open 0.0.0").text
    unchanged = {"open-path": "0.0.0", "field-content": "Hello"}
    assert post_edit(marketer, template, "save 0.0.0", **unchanged).status_code == 200
    post_edit(marketer, template, "done 0.0.0", **unchanged)
    marketer.post(get_url("texts", template), {"language": "en", "subject": "Hello"})
    assert template.versions.count() == 1
    marketer.post(get_url("texts", template), {"language": "en", "subject": "Bye"})
    assert template.versions.get(published_at__isnull=True).contents.get(language="en").subject == "Bye"


def test_null_characters_are_refused_or_removed(marketer: Client) -> None:
    template = make_template(make_source("<mj-text>Hello</mj-text>"))
    refused = post_edit(marketer, template, "save 0.0.0", **{"open-path": "0.0.0", "field-content": "a\0b"})
    assert "The source has a null character. Remove it." in refused.text
    inserted = post_edit(marketer, template, "insert 0.0.0", removed="<mj-text>\0</mj-text>")
    assert "The source has a null character. Remove it." in inserted.text
    assert template.versions.count() == 1
    marketer.post(get_url("texts", template), {"language": "en", "subject": "a\0b", "preheader": "\0", "text": "\0c"})
    content = template.versions.get(published_at__isnull=True).contents.get(language="en")
    assert (content.subject, content.preheader, content.text) == ("ab", "", "c")
    assert marketer.get(get_url("customers", template), {"customer_search": "a\0"}).status_code == 200
    assert "News" in marketer.get(reverse("message_templates:list"), {"q": "new\0s"}).text
    text_message = make_template("Hi", key="text", channel="sms")
    assert marketer.post(get_url("test", text_message), {"address": "+49\0151"}).status_code == 302


def test_the_source_comes_back_byte_for_byte(marketer: Client) -> None:
    source = "\n" + make_source("<mj-text>\tA &amp; B\r\n</mj-text>") + "\n\n"
    template = make_template(source)
    page = marketer.get(get_url("source", template))
    shown = re.search(r"<textarea id=\"source\"[^>]*>\n(.*?)</textarea>", page.text, re.DOTALL)
    assert shown is not None
    posted = source.replace("\r\n", "\n").replace("\n", "\r\n").replace("A &amp;", "Ä &amp;")
    marketer.post(get_url("source", template), {"source": posted, "base": hash_source(source), "language": "en"})
    assert get_draft_source(template) == source.replace("A &amp;", "Ä &amp;")


def test_a_source_with_errors_is_kept_and_its_lines_are_named(marketer: Client) -> None:
    template = make_template()
    base = hash_source(make_source("<mj-text>Hello</mj-text>"))
    answer = marketer.post(
        get_url("source", template),
        {"source": "<mjml>\r\n<mj-bdy/></mjml>", "base": base, "language": "en"},
        follow=True,
    )
    assert "Line 2: Unknown tag &lt;mj-bdy&gt;. Did you mean &lt;mj-body&gt;?" in answer.text
    assert get_draft_source(template) == "<mjml>\n<mj-bdy/></mjml>"
    refused = marketer.post(get_url("publish", template), follow=True)
    assert "line 2" in refused.text
    assert "The source has errors" not in marketer.get(get_url("versions", template)).text


def test_previews_mask_personal_data_and_run_nothing(marketer: Client) -> None:
    customer = make_customer("u1", name="Ann Lee", email="ann@shop.example")
    template = make_template(make_source("<mj-text>Hi {{ customer.name }}, {{ customer.email }}</mj-text>"))
    answer = marketer.get(get_url("preview", template), {"customer": customer.pk})
    assert "Hi •••, •••" in answer.text
    assert answer.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "@media all{" in marketer.get(get_url("preview", template), {"dark": "1"}).text
    assert (
        f'data-customer="{customer.pk}"' in marketer.get(get_url("customers", template), {"customer_search": "u1"}).text
    )


def test_a_preview_as_a_customer_is_in_their_language(marketer: Client) -> None:
    template = make_template(make_source("<mj-text>Hello</mj-text>"))
    get_version(template).contents.create(
        language="zh-hans", subject="你好", source=make_source("<mj-text>您好</mj-text>")
    )
    customer = make_customer(language="zh-CN")
    assert "您好" in marketer.get(get_url("preview", template), {"customer": customer.pk}).text
    english = marketer.get(get_url("preview", template), {"customer": customer.pk, "language": "en"}).text
    assert "Hello" in english
    assert "Hello" in marketer.get(get_url("preview", template)).text


def test_whoever_may_see_personal_data_sees_it_in_previews(admin_client: Client, settings: Any) -> None:
    settings.TWO_FACTOR_REQUIRED = False
    customer = make_customer("u1", name="Ann Lee")
    template = make_template(make_source("<mj-text>Hi {{ customer.name }}</mj-text>"))
    assert "Hi Ann Lee" in admin_client.get(get_url("preview", template), {"customer": customer.pk}).text


def test_checks_name_what_to_correct(marketer: Client) -> None:
    source = make_source('<mj-image src="http://a.example/x.png"/><mj-button href="https://">Click here</mj-button>')
    page = marketer.get(get_url("checks", make_template(source))).text
    for text in (
        "no alternative text",
        "not loaded over https",
        "has no address",
        "click here",
        "no content in Simplified Chinese",
    ):
        assert text in page


def test_checks_read_all_texts_of_a_message(marketer: Client) -> None:
    source = make_source("<mj-text>Hello</mj-text>")
    content = ContentSource(
        "en",
        source,
        "{{ customer.first_name }}, your code {{ coupon.spring }}",
        "For friends of {{ customer.favorite_brands }}",
        "More at http://shop.example/sale and {{ customer.stage }}",
    )
    template = create_template(key="news", name="News", contents={"en": content})
    page = unescape(marketer.get(get_url("checks", template)).text)
    for text in (
        'Subject: “customer.first_name” has no fallback: customers without it see a gap. Add |default:"…".',
        "Preview text: “customer.favorite_brands” has no fallback",
        "Plain text: “customer.stage” has no fallback",
        "Plain text: The link “http://shop.example/sale” does not use https.",
        "The coupon pool “spring” does not exist.",
    ):
        assert text in page


def test_checks_read_messages_of_other_channels(marketer: Client) -> None:
    sms = make_template("Hi {{ customer.first_name }}\nhttp://shop.example/{{ event.name|default:'x' }}", channel="sms")
    page = unescape(marketer.get(get_url("checks", sms)).text)
    assert "“customer.first_name” has no fallback" in page
    assert "The link “http://shop.example/{{ event.name|default:'x' }}” does not use https." in page
    assert "line 2" in page
    push = make_template('{"title": "Hi {{ customer.name }}", "url": "http://a.example"}', key="push", channel="push")
    page = unescape(marketer.get(get_url("checks", push)).text)
    assert "“customer.name” has no fallback: customers without it see a gap. Add |default:'…'." in page
    assert "“http://a.example” does not use https" in page
    webhook = make_template('{"name": "{{ customer.name }}"}', key="webhook", channel="webhook")
    assert "no fallback" not in marketer.get(get_url("checks", webhook)).text


def test_versions_are_restored_and_drafts_discarded(marketer: Client) -> None:
    template = make_template(make_source("<mj-text>First</mj-text>"))
    post_edit(marketer, template, "remove 0")
    marketer.post(get_url("discard", template))
    assert template.versions.count() == 1
    marketer.post(get_url("restore", template, 1))
    assert get_draft_source(template) == make_source("<mj-text>First</mj-text>")
    assert "Restore" in marketer.get(get_url("versions", template)).text


def test_a_new_template_starts_from_a_ready_made_one(marketer: Client) -> None:
    marketer.post(reverse("message_templates:new"), {"name": "Spring", "channel": "email", "start": "win-back"})
    template = MessageTemplate.objects.get(key="spring")
    assert "we miss you" in template.versions.get().contents.get(language="en").subject
    assert "Spring" in marketer.get(reverse("message_templates:list")).text


def test_a_test_message_goes_to_the_given_address_only(marketer: Client, settings: Any) -> None:
    customer = make_customer("u1", name="Ann Lee", email="ann@shop.example")
    template = ensure_starter_templates(["sunset"], now=NOON)["sunset"]
    values = {"address": "mia@shop.example", "customer": customer.pk, "language": "zh-hans"}
    page = marketer.post(get_url("test", template), values, follow=True).text
    message = OutboxMessage.objects.get()
    assert "The test message to mia@shop.example was not sent. It is in the outbox" in page
    assert reverse("outbox:message", args=[message.pk]) in page
    assert (message.recipient, message.delivery_id) == ("mia@shop.example", None)
    assert "您还愿意收到我们的消息吗" in message.subject
    settings.EMAIL_BACKEND = "tests.recommendations.messaging.test_pages.RecordingBackend"
    page = marketer.post(get_url("test", template), values, follow=True).text
    assert "The test message was sent to mia@shop.example." in page
    assert [email.to for email in RecordingBackend.sent] == [["mia@shop.example"]]
    assert "not an email address" in marketer.post(get_url("test", template), {"address": "x"}, follow=True).text


def test_a_test_of_a_text_message_needs_a_phone_number(marketer: Client) -> None:
    template = make_template("Hi", channel="sms")
    refused = marketer.post(get_url("test", template), {"address": "notaphone"}, follow=True).text
    assert "“notaphone” is not a phone number. Enter it like +8613800138000." in refused
    assert not OutboxMessage.objects.exists()
    marketer.post(get_url("test", template), {"address": "+86 138 0013 8000"})
    assert OutboxMessage.objects.get().recipient == "+86 138 0013 8000"


class RecordingBackend(BaseEmailBackend):
    """Keeps what is sent; unlike Django's own backend for tests, it counts as a provider."""

    sent: list[Any] = []

    def send_messages(self, messages: Any) -> int:
        self.sent += messages
        return len(messages)


def test_an_analyst_reads_and_changes_nothing(client: Client, settings: Any) -> None:
    log_in(client, settings, "Analyst")
    template = make_template()
    assert client.get(get_url("editor", template)).status_code == 200
    assert "block-actions" not in client.get(get_url("editor", template)).text
    for name in ("edit", "texts", "source", "publish", "discard", "archive", "test", "settings"):
        assert client.post(get_url(name, template), {"op": "remove 0"}).status_code == 403, name
    assert client.get(reverse("message_templates:new")).status_code == 403


def test_coupon_codes_are_imported_once_and_generated(marketer: Client) -> None:
    marketer.post(reverse("message_templates:new-pool"), {"name": "Welcome", "key": "welcome"})
    pool = CouponPool.objects.get()
    url = reverse("message_templates:coupon-pool", args=[pool.pk])
    file = SimpleUploadedFile("codes.csv", b"\xef\xbb\xbfcode,note\rA-1,x\rA-2,\rA-1,\r")
    page = marketer.post(url, {"action": "import", "file": file}, follow=True)
    assert "2 codes were added. Already in the pool: 1." in page.text
    marketer.post(url, {"action": "generate", "count": 5, "code_prefix": "SPRING-"})
    assert CouponCode.objects.filter(code__startswith="SPRING-").count() == 5
    for content in (b"\n", b'B-1\n"B-2' + b"x" * 200_000):
        refused = marketer.post(url, {"action": "import", "file": SimpleUploadedFile("codes.csv", content)})
        assert refused.status_code == 400
    assert "used up" not in marketer.get(reverse("message_templates:coupons")).text
    claim_codes(pool_keys=["welcome"], deliveries=dict.fromkeys(range(1, 8), 1), now=NOON)
    with CaptureQueriesContext(connection) as queries:
        assert "used up" in marketer.get(reverse("message_templates:coupons")).text
    assert not [query for query in queries if "couponcode" in query["sql"]], "no page counts the codes"


def test_a_pool_is_deleted_unless_customers_or_messages_need_it(
    marketer: Client, client: Client, settings: Any
) -> None:
    pool = CouponPool.objects.create(name="Welcome", key="welcome")
    url = reverse("message_templates:coupon-pool", args=[pool.pk])
    marketer.post(url, {"action": "generate", "count": 5, "code_prefix": ""})
    template = make_template(make_source("<mj-text>{{ coupon.welcome }}</mj-text>"))
    page = marketer.post(url, {"action": "delete"}, follow=True).text
    assert f"The pool is used by {template.name}. Remove its coupon there, or archive the template." in page
    template.archived_at = NOON
    template.save()
    other = make_template(key="code", subject="Your code: {{ coupon.welcome }}")
    assert f"The pool is used by {other.name}." in marketer.post(url, {"action": "delete"}, follow=True).text
    other.delete()
    claim_codes(pool_keys=["welcome"], deliveries={1: 1}, now=NOON)
    assert "Delete this pool" not in marketer.get(url).text
    page = marketer.post(url, {"action": "delete"}, follow=True).text
    assert "Codes of this pool were handed out, so it cannot be deleted." in page
    assert CouponCode.objects.count() == 5
    other = CouponPool.objects.create(name="Mistake", key="mistake")
    url = reverse("message_templates:coupon-pool", args=[other.pk])
    marketer.post(url, {"action": "generate", "count": 2, "code_prefix": ""})
    assert "Delete this pool" in marketer.get(url).text
    assert "The pool “Mistake” was deleted." in marketer.post(url, {"action": "delete"}, follow=True).text
    assert list(CouponPool.objects.all()) == [pool]
    assert CouponCode.objects.count() == 5
    log_in(client, settings, "Analyst")
    url = reverse("message_templates:coupon-pool", args=[pool.pk])
    assert client.post(url, {"action": "delete"}).status_code == 403


def test_an_expired_pool_shows_that_it_is_not_used_and_cannot_be_created(marketer: Client) -> None:
    new = reverse("message_templates:new-pool")
    refused = marketer.post(new, {"name": "Double twelve", "key": "双十二", "expires_at": "2020-01-01T00:00"})
    assert refused.status_code == 400
    assert "Use only letters from A to Z, digits, hyphens and underscores." in refused.text
    assert "The expiry date is in the past. Choose a later one." in refused.text
    marketer.post(new, {"name": "Welcome", "key": "welcome"})
    pool = CouponPool.objects.get()
    url = reverse("message_templates:coupon-pool", args=[pool.pk])
    marketer.post(url, {"action": "generate", "count": 5, "code_prefix": ""})
    assert "Messages show a code with the coupon block" in marketer.get(url).text
    values = {"action": "save", "name": "Welcome", "key": "welcome", "expires_at": "2020-01-01T00:00"}
    page = marketer.post(url, values, follow=True).text
    assert "The pool has expired. Messages that need its codes are not sent; change the expiry date." in page
    assert "Messages show a code with the coupon block" not in page


def test_the_expiry_of_a_pool_has_the_same_name_everywhere_in_chinese(marketer: Client) -> None:
    pool = CouponPool.objects.create(name="Welcome", key="welcome", expires_at=NOON)
    for url in (
        reverse("message_templates:coupon-pool", args=[pool.pk]),
        reverse("message_templates:new-pool"),
        reverse("message_templates:coupons"),
    ):
        page = marketer.get(url, headers={"accept-language": "zh-hans"}).text
        assert "到期时间" in page, url
        assert "过期时间" not in page, url


def test_a_key_is_an_identifier_and_no_secret_in_chinese(marketer: Client) -> None:
    template = make_template()
    CouponPool.objects.create(name="Welcome", key="welcome")
    for url in (get_url("settings", template), reverse("message_templates:coupons")):
        assert "标识" in marketer.get(url, headers={"accept-language": "zh-hans"}).text, url
    products = next(kind for kind in KINDS if kind.tag == "mj-products")
    with override("zh-hans"):
        assert str(next(field for field in products.fields if field.name == "key").label) == "标识"
