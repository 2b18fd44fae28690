"""The source of a template, stored and shown byte for byte as it was written."""

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from config.foundation.backoffice.pages import render_page
from recommendations.messaging.backoffice.access import (
    CHANGE,
    VIEW,
    choose_shown_version,
    load_content,
    load_template,
    parse_language,
    to_source,
)
from recommendations.messaging.backoffice.editor_context import describe_editor
from recommendations.messaging.backoffice.editor_page import MAX_SOURCE, hash_source, replace_source
from recommendations.messaging.compilation.compiler import find_content_problems
from recommendations.messaging.mjml.edits import restore_line_endings
from recommendations.messaging.models import MessageTemplate, TemplateContent
from recommendations.messaging.versions import get_or_create_draft, save_content


@require_http_methods(["GET", "HEAD", "POST"])
def edit_source(request: HttpRequest, template_id: int) -> HttpResponse:
    """Show and store the source. The draft may have a source with errors; only publishing requires one without errors."""
    template = load_template(request, template_id, CHANGE if request.method == "POST" else VIEW)
    version = choose_shown_version(template)
    content = load_content(version, parse_language(request, version))
    problem = ""
    if request.method == "POST":
        problem = store_source(request, template, content)
        if not problem:
            messages.success(request, _("The source was saved in the draft."))
            url = reverse("message_templates:source", args=[template.pk])
            return HttpResponseRedirect(f"{url}?language={content.language}")
        content.source = request.POST.get("source", "")
    return render_page(
        request,
        "admin/messaging/source.html",
        title=template.name,
        **describe_editor(request, template, version, content),
        problem=problem,
        problems=find_content_problems(
            to_source(content), channel=template.channel, is_transactional=template.is_transactional
        ),
        base=request.POST.get("base") or hash_source(content.source),
        may_change=request.user.has_perm(CHANGE),
        status=400 if problem else None,
    )


def store_source(request: HttpRequest, template: MessageTemplate, shown: TemplateContent) -> str:
    """Store the posted source; return the problem, or ""."""
    written = request.POST.get("source", "")
    if len(written) > MAX_SOURCE:
        return _("The template is too large: at most %(max)d characters.") % {"max": MAX_SOURCE}
    if "\x00" in written:
        return _("The source has a null character. Remove it.")
    with transaction.atomic():
        draft = get_or_create_draft(template=template, by=request.user.get_username())
        content = load_content(draft, shown.language)
        if request.POST.get("base") != hash_source(content.source):
            return _("The template was changed in another window. Copy your text, reload the page and enter it again.")
        source = restore_line_endings(written, content.source)
        save_content(template=template, content=replace_source(content, source), by=draft.created_by)
    return ""
