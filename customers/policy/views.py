"""The public page of the privacy policy, with its earlier versions."""

from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.views.decorators.http import require_safe

from customers.policy.document.versions import get_latest_version
from customers.policy.models import PolicyVersion
from customers.policy.preferences.page import activate_language, list_languages, render_public


@require_safe
def show_policy(request: HttpRequest, number: int | None = None) -> HttpResponse:
    """Show the version in force, or an earlier one; 404 before the first is published."""
    activate_language(request, "")
    version = get_latest_version() if number is None else PolicyVersion.objects.filter(number=number).first()
    if version is None:
        return render_public(request, "policy/policy.html", {"sections": [], "languages": list_languages()}, status=404)
    context = {
        "version": version,
        "sections": version.texts.get(translation.get_language() or "", []),
        "earlier": PolicyVersion.objects.exclude(pk=version.pk).only("number", "published_at")[:20],
        "languages": list_languages(),
    }
    return render_public(request, "policy/policy.html", context)
