"""Requests the links of a template when a user asks for it."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from config.foundation.rate_limiter import count_locally
from recommendations.messaging.backoffice.access import CHANGE, choose_shown_version, load_template, parse_language
from recommendations.messaging.link_checks import check_links

CHECKS_PER_MINUTE = 5  # of one user: each opens up to 40 pages


@require_POST
def check_all_links(request: HttpRequest, template_id: int) -> HttpResponse:
    """Check the links of the shown version and return to the list of checks."""
    template = load_template(request, template_id, CHANGE)
    version = choose_shown_version(template)
    if count_locally(f"link-check:{request.user.pk}", max_requests=CHECKS_PER_MINUTE):
        messages.error(request, _("Too many link checks. Try again in a minute."))
    elif version is not None:
        check_links(version, now=timezone.now())
    language = parse_language(request, version)
    return HttpResponseRedirect(f"{reverse('message_templates:checks', args=[template.pk])}?language={language}")
