"""The block editor: every edit is stored in the draft immediately."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from config.foundation.backoffice.pages import render_page
from recommendations.messaging.backoffice.access import (
    CHANGE,
    choose_shown_version,
    load_content,
    load_template,
    parse_language,
    to_source,
)
from recommendations.messaging.backoffice.editor_context import describe_editor, list_block_choices
from recommendations.messaging.compilation.compiler import ContentSource
from recommendations.messaging.editor.operations import (
    EditResult,
    add_block,
    duplicate_block,
    edit_block,
    insert_source,
    move_block,
    parse_path,
    remove_block,
)
from recommendations.messaging.mjml.edits import EditError
from recommendations.messaging.models import CouponPool, MessageTemplate, TemplateContent
from recommendations.messaging.versions import lock_template, save_content

FIELD_PREFIX = "field-"
MAX_SOURCE = 500_000
MAX_LINE = 300  # of subject and preview text


def hash_source(source: str) -> str:
    """Return a short hash, by which an edit names the source that it is about."""
    return sha256(source.encode()).hexdigest()[:16]


@require_safe
def show_editor(request: HttpRequest, template_id: int) -> HttpResponse:
    template = load_template(request, template_id)
    version = choose_shown_version(template)
    language = parse_language(request, version)
    content = load_content(version, language)
    return render_page(
        request,
        "admin/messaging/editor.html",
        title=template.name,
        verdict=template.description,
        **describe_editor(request, template, version, content),
        **list_block_choices(content.source),
        base=hash_source(content.source),
        may_change=request.user.has_perm(CHANGE),
    )


@require_POST
def edit(request: HttpRequest, template_id: int) -> HttpResponse:
    """Apply one operation, such as "up 0.1", and return the list of blocks. Only what changes the source creates a draft."""
    template = load_template(request, template_id, CHANGE)
    operation, _space, path = request.POST.get("op", "").partition(" ")
    context: dict[str, Any] = {"may_change": True, "message_template": template, "open": ""}
    with transaction.atomic():
        version = choose_shown_version(lock_template(template))
        content = load_content(version, parse_language(request, version))
        if operation == "open" and "open-path" not in request.POST:
            return draw_blocks(request, content, context | {"open": path})
        if request.POST.get("base") != hash_source(content.source):
            problem = _("The template was changed in another window. Your change was not saved; reload the page.")
            return draw_status(request, problem, status=409)
        try:
            source = apply_open_fields(request, content.source)
            result = check_characters(apply_operation(operation, path, source, new=request.POST))
        except EditError as error:
            return draw_blocks(request, content, context | {"problem": str(error)})
        if result.source != content.source:
            written = replace_source(content, result.source)
            content = save_content(template=template, content=written, by=request.user.get_username())
    if operation == "save":
        response = draw_status(request, "", base=hash_source(content.source))
    else:
        context |= {
            "removed": result.removed,
            "removed_path": result.path,
            "moved": result.path,
            "operation": operation,
        }
        context["open"] = result.path if operation in ("add", "open") else ""
        response = draw_blocks(request, content, context)
    response["HX-Trigger"] = "preview-changed"
    return response


def apply_open_fields(request: HttpRequest, source: str) -> str:
    """Return the source with the fields of the open block, which every operation sends. Errors: EditError."""
    path = request.POST.get("open-path", "")
    values = {
        name.removeprefix(FIELD_PREFIX): str(value)
        for name, value in request.POST.items()
        if name.startswith(FIELD_PREFIX)
    }
    return check_size(edit_block(source, path, values)).source if path and values else source


def apply_operation(operation: str, path: str, source: str, *, new: Mapping[str, str]) -> EditResult:
    """Return the source after an operation. new: the kind of block that is added, by place. Errors: EditError."""
    if operation in ("save", "done", "open"):
        return EditResult(source, path)
    if operation == "add":
        pool = CouponPool.objects.order_by("name").values_list("key", flat=True).first() or ""
        return add_block(source, path, new.get(f"new-{path}", ""), pool=pool)
    if operation in ("up", "down"):
        *parents, position = parse_path(path) or [0]
        place = max(0, position + (1 if operation == "down" else -1))
        return move_block(source, path, ".".join(map(str, [*parents, place])))
    if operation == "move":
        start, _space, target = path.partition(" ")
        return move_block(source, start, target)
    if operation == "remove":
        return remove_block(source, path)
    if operation == "copy":
        return check_size(duplicate_block(source, path))
    if operation == "insert":
        return insert_source(source, path, new.get("removed", ""))
    raise EditError(_("Unknown operation “%(name)s”. Reload the page.") % {"name": operation[:50]})


def check_size(result: EditResult) -> EditResult:
    if len(result.source) > MAX_SOURCE:
        raise EditError(_("The template is too large: at most %(max)d characters.") % {"max": MAX_SOURCE})
    return result


def check_characters(result: EditResult) -> EditResult:
    if "\0" in result.source:  # PostgreSQL refuses NUL
        raise EditError(_("The source has a null character. Remove it."))
    return result


def replace_source(content: TemplateContent, source: str) -> ContentSource:
    return ContentSource(content.language, source, content.subject, content.preheader, content.text)


def draw_blocks(request: HttpRequest, content: TemplateContent, context: dict[str, Any]) -> HttpResponse:
    blocks = list_block_choices(content.source, open_path=context["open"])
    values = {**context, **blocks, "base": hash_source(content.source), "language": content.language}
    return render(request, "admin/messaging/blocks.html", values)


def draw_status(request: HttpRequest, problem: str, *, base: str = "", status: int = 200) -> HttpResponse:
    return render(request, "admin/messaging/status.html", {"problem": problem, "base": base}, status=status)


@require_POST
def save_texts(request: HttpRequest, template_id: int) -> HttpResponse:
    """Store subject, preview text and plain text of a language."""
    template = load_template(request, template_id, CHANGE)
    values = {name: request.POST.get(name, "").replace("\0", "").strip() for name in ("subject", "preheader", "text")}
    for name, label in (("subject", _("Subject")), ("preheader", _("Preview text"))):
        if len(values[name]) > MAX_LINE:
            problem = _("%(field)s: at most %(max)d characters.") % {"field": label, "max": MAX_LINE}
            return draw_status(request, problem, status=400)
    with transaction.atomic():
        version = choose_shown_version(lock_template(template))
        source = to_source(load_content(version, parse_language(request, version)))
        written = ContentSource(source.language, source.source, **values)
        if written != source:
            save_content(template=template, content=written, by=request.user.get_username())
    response = draw_status(request, "")
    response["HX-Trigger"] = "preview-changed"
    return response


def redirect_to_editor(template: MessageTemplate, *, language: str = "") -> HttpResponseRedirect:
    query = f"?language={language}" if language else ""
    return HttpResponseRedirect(reverse("message_templates:editor", args=[template.pk]) + query)


def report(request: HttpRequest, problem: str, done: str) -> None:
    """Show the result of an action on the next page."""
    if problem:
        messages.error(request, problem)
    else:
        messages.success(request, done)
