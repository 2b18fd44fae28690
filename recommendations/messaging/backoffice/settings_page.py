"""Creates templates, and edits their names."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from recommendations.messaging.backoffice.access import (
    ADD,
    CHANGE,
    VIEW,
    choose_shown_version,
    load_content,
    load_template,
    parse_language,
)
from recommendations.messaging.backoffice.editor_context import describe_editor
from recommendations.messaging.backoffice.forms import NewTemplateForm, TemplateForm, make_unique_key
from recommendations.messaging.models import MessageTemplate
from recommendations.messaging.starters.installation import build_first_contents
from recommendations.messaging.template_uses import (
    TemplateInUseError,
    archive_template,
    describe_template_uses,
    list_template_uses,
    restore_template,
)
from recommendations.messaging.versions import create_template


@require_http_methods(["GET", "HEAD", "POST"])
def add_template(request: HttpRequest) -> HttpResponse:
    check_permissions(request, ADD)
    language = "zh-hans" if (get_language() or "").startswith("zh") else "en"
    form = NewTemplateForm(
        request.POST if request.method == "POST" else None,
        language=language,
        initial={"start": request.GET.get("start", "")},
    )
    if form.is_valid():
        values = form.cleaned_data
        template = create_template(
            key=make_unique_key(values["name"], MessageTemplate),
            name=values["name"],
            channel=values["channel"],
            description=values["description"],
            is_transactional=values["is_transactional"],
            contents=build_first_contents(values["start"], channel=values["channel"], language=language),
            by=request.user.get_username(),
        )
        return HttpResponseRedirect(reverse("message_templates:editor", args=[template.pk]))
    return render_page(
        request, "admin/messaging/new.html", title=_("New template"), form=form, status=400 if form.errors else None
    )


@require_http_methods(["GET", "HEAD", "POST"])
def edit_settings(request: HttpRequest, template_id: int) -> HttpResponse:
    template = load_template(request, template_id, CHANGE if request.method == "POST" else VIEW)
    version = choose_shown_version(template)
    form = TemplateForm(request.POST if request.method == "POST" else None, instance=template)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("The settings were saved."))
        return HttpResponseRedirect(request.path)
    return render_page(
        request,
        "admin/messaging/settings.html",
        title=template.name,
        **describe_editor(request, template, version, load_content(version, parse_language(request, version))),
        form=form,
        may_change=request.user.has_perm(CHANGE),
        uses="" if template.archived_at else describe_template_uses(list_template_uses(template)),
        status=400 if form.errors else None,
    )


@require_POST
def archive(request: HttpRequest, template_id: int) -> HttpResponse:
    """Archive a template, or restore it from the archive. Its versions stay, because sent messages refer to them."""
    template = load_template(request, template_id, CHANGE)
    if template.archived_at:
        restore_template(template)
        text = _("“%(name)s” was unarchived.")
    else:
        try:
            archive_template(template)
        except TemplateInUseError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(reverse("message_templates:settings", args=[template.pk]))
        text = _("“%(name)s” was archived.")
    messages.success(request, text % {"name": template.name})
    return HttpResponseRedirect(reverse("message_templates:list"))
