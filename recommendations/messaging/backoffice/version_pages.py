"""Checks, versions, publishing and test sends of a template."""

from dataclasses import replace

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from config.foundation.audit_log import record_action
from config.foundation.backoffice.pages import render_page
from config.foundation.shop.phone_numbers import is_phone_number
from recommendations.messaging.backoffice.access import (
    CHANGE,
    choose_shown_version,
    load_content,
    load_template,
    parse_language,
)
from recommendations.messaging.backoffice.editor_context import describe_editor
from recommendations.messaging.backoffice.editor_page import redirect_to_editor
from recommendations.messaging.backoffice.preview_page import find_customer, render_message
from recommendations.messaging.channels import Channel
from recommendations.messaging.checks import check_version
from recommendations.messaging.link_checks import read_link_check
from recommendations.messaging.mjml.problems import SourceError
from recommendations.messaging.models import LANGUAGES, MessageTemplate, TemplateVersion
from recommendations.messaging.template_tests import TemplateTest, TemplateTestResult, get_template_test_sender
from recommendations.messaging.versions import PublishError, discard_draft, publish_draft, restore_version


@require_safe
def show_checks(request: HttpRequest, template_id: int) -> HttpResponse:
    """Show what should be fixed before the template is sent."""
    template = load_template(request, template_id)
    version = choose_shown_version(template)
    content = load_content(version, parse_language(request, version))
    results = check_version(version, now=timezone.now()) if version else []
    errors = sum(1 for result in results if result.is_error)
    return render_page(
        request,
        "admin/messaging/checks.html",
        title=template.name,
        **describe_editor(request, template, version, content),
        results=results,
        errors=errors,
        link_check=read_link_check(version) if version and template.channel == Channel.EMAIL else None,
        warnings=len(results) - errors,
        may_change=request.user.has_perm(CHANGE),
    )


@require_safe
def show_versions(request: HttpRequest, template_id: int) -> HttpResponse:
    template = load_template(request, template_id)
    version = choose_shown_version(template)
    content = load_content(version, parse_language(request, version))
    return render_page(
        request,
        "admin/messaging/versions.html",
        title=template.name,
        **describe_editor(request, template, version, content),
        versions=template.versions.prefetch_related("contents")[:100],
        may_change=request.user.has_perm(CHANGE),
    )


@require_POST
def publish(request: HttpRequest, template_id: int) -> HttpResponse:
    """Publish the draft; with errors, show them."""
    template = load_template(request, template_id, CHANGE)
    try:
        version = publish_draft(template=template, now=timezone.now())
    except PublishError as error:
        labels = dict(LANGUAGES)
        for language, problems in error.problems.items():
            first = problems[0]
            prefix = f"{labels[language]}: " if language in labels else ""
            messages.error(
                request, prefix + _("line %(line)d: %(message)s") % {"line": first.line, "message": first.message}
            )
        return HttpResponseRedirect(reverse("message_templates:checks", args=[template.pk]))
    messages.success(request, _("Version %(number)d is published. New sends use it.") % {"number": version.number})
    return redirect_to_editor(template, language=request.POST.get("language", ""))


@require_POST
def discard(request: HttpRequest, template_id: int) -> HttpResponse:
    """Delete the draft."""
    template = load_template(request, template_id, CHANGE)
    if discard_draft(template):
        messages.success(request, _("The draft was discarded. The published version is shown again."))
    else:
        messages.error(request, _("There is no published version to return to."))
    return redirect_to_editor(template)


@require_POST
def restore(request: HttpRequest, template_id: int, number: int) -> HttpResponse:
    """Make an earlier version the draft."""
    template = load_template(request, template_id, CHANGE)
    version = get_object_or_404(template.versions, number=number)
    restore_version(version=version, by=request.user.get_username())
    messages.success(request, _("Version %(number)d is the draft now. Publish it to send it.") % {"number": number})
    return redirect_to_editor(template)


@require_POST
def send_test(request: HttpRequest, template_id: int) -> HttpResponse:
    """Send the shown version to an address of the user's choice, rendered for a customer as in the preview."""
    template = load_template(request, template_id, CHANGE)
    version = choose_shown_version(template)
    language = parse_language(request, version)
    address = request.POST.get("address", "").replace("\0", "").strip()
    result = TemplateTestResult(find_address_problem(template.channel, address))
    if not result.problem:
        try:
            result = send_template_test(request, template, version, language=language, address=address)
        except SourceError as error:
            first = error.problems[0]
            text = _("line %(line)d: %(message)s") % {"line": first.line, "message": first.message}
            result = TemplateTestResult(text)
    if result.problem:
        messages.error(request, result.problem)
    elif result.outbox_url:
        text = _(
            "The test message to %(address)s was not sent. It is in the outbox, where messages go in demo mode and without a mail server "
            "or provider."
        )
        link = format_html('<a href="{}">{}</a>', result.outbox_url, _("Show the message"))
        may_open = request.user.has_perm("sending.view_outboxmessage")
        messages.warning(request, format_html("{} {}", text % {"address": address}, link if may_open else ""))
    else:
        messages.success(request, _("The test message was sent to %(address)s.") % {"address": address})
    return redirect_to_editor(template, language=language)


def find_address_problem(channel: str, address: str) -> str:
    """Return why a channel cannot send to an address that the user entered, or ""."""
    if channel == Channel.EMAIL:
        try:
            validate_email(address)
        except ValidationError:
            return _("“%(address)s” is not an email address. Correct it.") % {"address": address[:100]}
    if channel in (Channel.SMS, Channel.WHATSAPP) and not is_phone_number(address):
        text = _("“%(address)s” is not a phone number. Enter it like +8613800138000.")
        return text % {"address": address[:100]}
    return ""


def send_template_test(
    request: HttpRequest, template: MessageTemplate, version: TemplateVersion | None, *, language: str, address: str
) -> TemplateTestResult:
    """Render and send. Errors: SourceError."""
    sender = get_template_test_sender()
    if version is None or sender is None:
        return TemplateTestResult(_("Test messages cannot be sent: there is no content yet."))
    rendered = render_message(request, template, version, base_url=settings.PUBLIC_URL)
    subject = _("Test: %(subject)s") % {"subject": rendered.subject}
    customer = find_customer(request)
    record_action("template.test_sent", instance=template, details={"version": version.number, "language": language})
    return sender(
        TemplateTest(
            channel=template.channel,
            address=address,
            language=language,
            rendered=replace(rendered, subject=subject),
            customer_id=customer.pk if customer else None,
        )
    )
