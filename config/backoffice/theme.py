"""The appearance of the back office: settings of django-unfold. Callables are given as dotted paths, because settings load before apps."""

from typing import Any

from django.templatetags.static import static
from django.utils.translation import gettext_lazy as _

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Perennial",
    "SITE_HEADER": "config.backoffice.sidebar.get_shop_name",
    "SITE_SUBHEADER": _("Customer lifecycle"),
    "SITE_SYMBOL": "potted_plant",
    "SITE_ICON": "config.backoffice.sidebar.get_logo_url",
    "SITE_URL": None,
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("backoffice/favicon.svg")},
    ],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_LANGUAGES": True,
    "SHOW_BACK_BUTTON": False,
    "ENVIRONMENT": "config.backoffice.sidebar.get_environment_label",
    "DASHBOARD_CALLBACK": "config.backoffice.home.page.fill_home_page",
    "STYLES": [
        lambda request: static("backoffice/backoffice.css"),
        lambda request: static("backoffice/shell.css"),
    ],
    "SCRIPTS": [
        lambda request: static("backoffice/expressions.js"),
        lambda request: static("backoffice/shell.js"),
        lambda request: static("backoffice/search.js"),
    ],
    "BORDER_RADIUS": "6px",
    "COLORS": {
        "primary": "config.backoffice.sidebar.get_brand_palette",
    },
    "ACCOUNT": {"navigation": "config.backoffice.sidebar.build_account_menu"},
    "COMMAND": {"search_models": False, "show_history": False},
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": "config.backoffice.sidebar.build_sidebar",
    },
}
