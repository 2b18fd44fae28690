"""Labels of where consents come from."""

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

# as the pages of the privacy policy, of privacy requests and of SMS replies record them
SOURCE_LABELS: Mapping[str, str | Promise] = {
    "preference center": gettext_lazy("Preference center"),
    "privacy page": pgettext_lazy("source of a consent", "Privacy page"),
    "SMS reply": pgettext_lazy("source of a consent", "SMS reply"),
}
REQUEST = "request "
OFFICER = "privacy officer: "


def label_consent_source(source: str) -> str:
    """Return where a consent comes from in the language of the reader; a source of data is shown by its key."""
    if source.startswith(REQUEST):
        return _("Request %(number)s") % {"number": source.removeprefix(REQUEST)}
    if source.startswith(OFFICER):
        return _("%(label)s: %(text)s") % {"label": _("Privacy officer"), "text": source.removeprefix(OFFICER)}
    return str(SOURCE_LABELS.get(source, source))
