"""The appearance of the back office: settings of django-unfold. Callables are given as dotted paths, because settings load before apps."""

from typing import Any

from django.templatetags.static import static
from django.utils.translation import gettext_lazy as _

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Perennial",
    "SITE_HEADER": "config.backoffice.sidebar.get_shop_name",
    "SITE_SUBHEADER": _("Customer lifecycle"),
    "SITE_SYMBOL": "potted_plant",
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
        "primary": {
            "50": "#edfaf4",
            "100": "#d3f2e3",
            "200": "#a9e5cb",
            "300": "#73d1ad",
            "400": "#40b68b",
            "500": "#1e9b72",
            "600": "#117d5c",
            "700": "#0e644b",
            "800": "#0d4f3d",
            "900": "#0b4133",
            "950": "#05251d",
        }
    },
    "ACCOUNT": {"navigation": "config.backoffice.sidebar.build_account_menu"},
    "COMMAND": {"search_models": False, "show_history": False},
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": "config.backoffice.sidebar.build_sidebar",
    },
}
