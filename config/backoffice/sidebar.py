"""The menu, the account menu and the labels of the back office: settings of django-unfold call them by name."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import get_navigation
from config.foundation.shop.palette import build_palette
from config.foundation.shop.profile import get_shop


def build_sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Return one group with the areas that have a page which the user may open."""
    return [
        {
            "title": None,
            "items": [
                {"title": area.label, "icon": area.area.icon, "link": area.url, "active": area.is_current}
                for area in get_navigation(request)
            ],
        }
    ]


def build_account_menu(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the links of the menu under the user's name."""
    if not request.user.is_authenticated:
        return []
    links: list[tuple[str | Promise, str]] = [
        (_("Two-factor authentication"), "account:two_factor"),
        (_("Sessions"), "account:sessions"),
    ]
    if request.user.has_usable_password():
        links.append((_("Change password"), "admin:password_change"))
    return [{"title": title, "link": reverse(name)} for title, name in links]


def get_shop_name(request: HttpRequest) -> str:
    return get_shop().name


def get_brand_palette(request: HttpRequest) -> dict[str, str]:
    return dict(build_palette(get_shop().color))  # a copy, because django-unfold writes into it


def get_logo_url(request: HttpRequest) -> str | None:
    """Return the URL of the shop's logo; without one, the menu shows the symbol of Perennial."""
    version = get_shop().logo_version
    return f"{reverse('shop_logo')}?v={version}" if version else None


def get_environment_label(request: HttpRequest) -> list[str | Promise] | None:
    """Return the label next to the user name that marks a demo installation."""
    return [_("Demo"), "warning"] if settings.DEMO else None
