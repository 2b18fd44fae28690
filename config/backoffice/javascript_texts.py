"""The texts of the JavaScript of Django's admin, with those that Django has not translated into a language of the back office."""

from django.utils.translation import gettext_lazy as _
from django.views.i18n import JavaScriptCatalog

# Of the two lists between which roles and permissions are moved (admin/js/SelectFilter2.js).
SELECTION_TEXTS = {
    'Choose %s by selecting them and then select the "Choose" arrow button.': _(
        'Choose %s by selecting them and then select the "Choose" arrow button.'
    ),
    'Remove %s by selecting them and then select the "Remove" arrow button.': _(
        'Remove %s by selecting them and then select the "Remove" arrow button.'
    ),
    "Choose all %s": _("Choose all %s"),
    "Choose selected %s": _("Choose selected %s"),
    "Remove all %s": _("Remove all %s"),
    "Remove selected %s": _("Remove selected %s"),
    "(click to clear)": _("(click to clear)"),
}


class AdminJavaScriptCatalog(JavaScriptCatalog):
    """The catalog of the admin site; a text that Django has translated stays as it is."""

    packages = ["django.contrib.admin"]

    def get_catalog(self) -> dict[str, str | list[str]]:
        return {text: str(translation) for text, translation in SELECTION_TEXTS.items()} | super().get_catalog()
