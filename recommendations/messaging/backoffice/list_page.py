"""The list of templates."""

from django.db.models import Max, Q
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.http import require_safe

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.backoffice.tables import Cell, Column, build_table
from config.foundation.number_formats import format_moment
from recommendations.messaging.backoffice.access import ADD, CHANGE, VIEW
from recommendations.messaging.models import MessageTemplate

MAX_QUERY = 100


@require_safe
def show_templates(request: HttpRequest) -> HttpResponse:
    """Show the templates with their state; archived ones only if they are asked for."""
    check_permissions(request, VIEW)
    text = request.GET.get("q", "").replace("\0", "").strip()[:MAX_QUERY]
    shows_archived = "archived" in request.GET
    templates = MessageTemplate.objects.filter(archived_at__isnull=not shows_archived).annotate(
        published_at=Max("versions__published_at"),
        newest=Max("versions__number"),
        published=Max("versions__number", filter=Q(versions__published_at__isnull=False)),
    )
    if text:
        templates = templates.filter(Q(name__icontains=text) | Q(key__icontains=text))
    table = build_table(
        request,
        templates,
        id="templates",
        label=_("Templates"),
        columns=[
            Column(key="name", label=pgettext("thing", "Name"), sort="name", align="text"),
            Column(key="channel", label=_("Channel"), sort="channel", align="text"),
            Column(key="state", label=_("State"), align="text"),
            Column(key="published_at", label=_("Published"), sort="published_at", align="text"),
        ],
        format_row=lambda template: {
            "name": Cell(
                template.name, url=reverse("message_templates:editor", args=[template.pk]), title=template.description
            ),
            "channel": template.get_channel_display(),
            "state": describe_state(template),
            "published_at": format_moment(template.published_at),
        },
        default_sort="name",
    )
    return render_page(
        request,
        "admin/messaging/list.html",
        title=_("Templates"),
        table=table,
        text=text,
        shows_archived=shows_archived,
        may_add=request.user.has_perm(ADD),
        may_change=request.user.has_perm(CHANGE),
    )


def describe_state(template: MessageTemplate) -> str:
    """Return whether a template is published and whether it has changes; it was annotated by the list."""
    newest, published = template.newest or 0, template.published or 0  # type: ignore[attr-defined]
    if not published:
        return _("Draft")
    if newest > published:
        return _("Version %(number)d, with unpublished changes") % {"number": published}
    return _("Version %(number)d") % {"number": published}
