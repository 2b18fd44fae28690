"""Templates in the search of the back office."""

from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.search import SearchMatch, SearchSource, register_search_source
from recommendations.messaging.backoffice.access import VIEW
from recommendations.messaging.models import MessageTemplate


def find_templates(request: HttpRequest, text: str, limit: int) -> list[SearchMatch]:
    """Return templates by name or key, in alphabetical order; archived ones are left out."""
    templates = MessageTemplate.objects.filter(
        Q(name__icontains=text) | Q(key__icontains=text), archived_at__isnull=True
    )
    return [
        SearchMatch(title=template.name, url=reverse("message_templates:editor", args=[template.pk]))
        for template in templates.order_by("name")[:limit]
    ]


register_search_source(
    SearchSource(key="message-templates", label=_("Templates"), permission=VIEW, order=42, find=find_templates)
)
