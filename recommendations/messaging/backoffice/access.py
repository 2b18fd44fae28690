"""The permissions of the pages of templates, and functions that load what a page is about."""

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils.translation import get_language

from config.foundation.backoffice.permissions import check_permissions
from config.foundation.shop.profile import get_shop
from recommendations.messaging.compilation.compiler import ContentSource
from recommendations.messaging.models import LANGUAGES, MessageTemplate, TemplateContent, TemplateVersion
from recommendations.messaging.rendering.compiled_template import match_language

VIEW, CHANGE, ADD = (f"messaging.{action}_messagetemplate" for action in ("view", "change", "add"))
VIEW_POOL, CHANGE_POOL, ADD_POOL, DELETE_POOL = (
    f"messaging.{action}_couponpool" for action in ("view", "change", "add", "delete")
)


def load_template(request: HttpRequest, template_id: int, permission: str = VIEW) -> MessageTemplate:
    """Return a template. Errors: PermissionDenied, Http404."""
    check_permissions(request, permission)
    return get_object_or_404(MessageTemplate, pk=template_id)


def choose_shown_version(template: MessageTemplate) -> TemplateVersion | None:
    """Return the version that pages show: the draft, or the newest published one."""
    return template.versions.order_by("-number").first()


def parse_language(request: HttpRequest, version: TemplateVersion | None, *, preferred: str = "") -> str:
    """Return the language of the request's parameter, the preferred one, the shop's, or the first one with content."""
    known = [language for language, _label in LANGUAGES]
    wanted = request.POST.get("language") or request.GET.get("language") or ""
    if wanted in known:
        return wanted
    written = {content.language for content in version.contents.all()} if version else set()
    if preferred and (language := match_language(preferred, written) or match_language(get_shop().language, written)):
        return language
    own = get_language() or ""
    return own if own in written else next((language for language in known if language in written), known[0])


def load_content(version: TemplateVersion | None, language: str) -> TemplateContent:
    """Return the content of a language, or an empty one that is not saved."""
    stored = version.contents.filter(language=language).first() if version else None
    return stored or TemplateContent(version=version, language=language)


def to_source(content: TemplateContent) -> ContentSource:
    return ContentSource(content.language, content.source, content.subject, content.preheader, content.text)
