"""What sends a template. Flows and campaigns register a finder, because this app must not import theirs."""

from collections.abc import Callable

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from config.foundation.number_formats import join_list
from recommendations.messaging.models import MessageTemplate
from recommendations.messaging.versions import lock_template

TemplateUseFinder = Callable[[str], list[str]]  # from the key of a template to the names of what sends it

_finders: dict[str, TemplateUseFinder] = {}


class TemplateInUseError(Exception):
    """A template cannot be archived; the message names what sends it."""


def register_use_finder(kind: str, finder: TemplateUseFinder) -> None:
    """Register what sends templates. finder: returns names with their kind, such as “the flow “Welcome””, in the current language."""
    _finders[kind] = finder


def list_template_uses(template: MessageTemplate) -> list[str]:
    """Return the names of everything that still sends a template."""
    return [name for finder in _finders.values() for name in finder(template.key)]


def describe_template_uses(uses: list[str]) -> str:
    """Return why a template with these uses is not archived; empty without uses."""
    if not uses:
        return ""
    text = _("This template is sent by %(uses)s. Choose another template there, or end them, before you archive it.")
    return text % {"uses": join_list(uses)}


def archive_template(template: MessageTemplate) -> None:
    """Archive a template. Errors: TemplateInUseError if something still sends it, which would go on without the message."""
    with transaction.atomic():
        lock_template(template)
        if uses := list_template_uses(template):
            raise TemplateInUseError(describe_template_uses(uses))
        template.archived_at = timezone.now()
        template.save(update_fields=["archived_at"])


def restore_template(template: MessageTemplate) -> None:
    """Restore a template from the archive."""
    template.archived_at = None
    template.save(update_fields=["archived_at"])
