"""The registry of pages, from which the menu and the tabs are built for each user.

Each app registers its pages in `backoffice/navigation.py`, which is imported at startup.
"""

from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.text import capfirst

from config.foundation.backoffice.areas import AREAS, Area, Tab, find_tab

CACHE_ATTRIBUTE = "_backoffice_navigation"


@dataclass(frozen=True, kw_only=True)
class MenuPage:
    """A page of the menu.

    tab: such as "customers.lifecycle" (see areas.py). permission: the page is hidden from users without it. order: within the tab.
    details: names of views that are shown from this page, such as the page of one customer; they mark the page as current.
    """

    tab: str
    label: str | Promise
    url_name: str
    permission: str | None
    order: int = 100
    details: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        find_tab(self.tab)

    def get_label(self) -> str | Promise:
        return self.label

    def get_url(self) -> str:
        return reverse(self.url_name)

    def is_visible(self, request: HttpRequest) -> bool:
        return self.permission is None or request.user.has_perm(self.permission)


@dataclass(frozen=True, kw_only=True)
class MenuList:
    """The list of a model in the menu, for users who may view the model. Without a label, it has the plural of the model's name.

    menu_permission: users without it do not have the list in their menu; if they may view the model, they can open it from other pages.
    empty: what to do while the list has no rows. empty_action: label and URL name of the menu page for this step.
    """

    tab: str
    model: str
    label: str | Promise = ""
    order: int = 100
    details: tuple[str, ...] = ()
    menu_permission: str | None = None
    empty: str | Promise = ""
    empty_action: tuple[str | Promise, str] | None = None

    def __post_init__(self) -> None:
        find_tab(self.tab)

    def get_label(self) -> str | Promise:
        return self.label or capfirst(str(apps.get_model(self.model)._meta.verbose_name_plural))

    def get_url(self) -> str:
        return reverse(f"admin:{self.model.lower().replace('.', '_')}_changelist")

    def is_visible(self, request: HttpRequest) -> bool:
        model = apps.get_model(self.model)
        if self.menu_permission is not None and not request.user.has_perm(self.menu_permission):
            return False
        return admin.site.is_registered(model) and admin.site.get_model_admin(model).has_view_permission(request)


type Entry = MenuPage | MenuList


@dataclass
class NavigationPage:
    """A page that a user may open."""

    entry: Entry
    label: str | Promise
    url: str
    is_current: bool = False


@dataclass
class NavigationTab:
    """A tab with at least one page that a user may open."""

    tab: Tab
    pages: list[NavigationPage]

    @property
    def label(self) -> str | Promise:
        return self.tab.label

    @property
    def url(self) -> str:
        return self.pages[0].url

    @property
    def is_current(self) -> bool:
        return any(page.is_current for page in self.pages)


@dataclass
class NavigationArea:
    """An area with at least one page that a user may open."""

    area: Area
    tabs: list[NavigationTab] = field(default_factory=list)

    @property
    def label(self) -> str | Promise:
        return self.area.label

    @property
    def url(self) -> str:
        return self.tabs[0].url

    @property
    def is_current(self) -> bool:
        return any(tab.is_current for tab in self.tabs)


_entries: list[Entry] = []


def register_pages(*entries: Entry) -> None:
    """Add pages to the menu; a page that is registered again replaces the earlier one."""
    for entry in entries:
        key = get_key(entry)
        _entries[:] = [other for other in _entries if get_key(other) != key]
        _entries.append(entry)


def get_key(entry: Entry) -> str:
    return entry.url_name if isinstance(entry, MenuPage) else entry.model.lower()


def list_registered_pages() -> list[Entry]:
    """Return all pages in the order of the menu."""
    tabs = [f"{area.key}.{tab.key}" for area in AREAS for tab in area.tabs]
    return sorted(_entries, key=lambda entry: (tabs.index(entry.tab), entry.order))


def get_navigation(request: HttpRequest) -> list[NavigationArea]:
    """Return the areas, tabs and pages that the user may open, with the current page marked; built once per request."""
    areas: list[NavigationArea] | None = getattr(request, CACHE_ATTRIBUTE, None)
    if areas is None:
        areas = build_navigation(request)
        setattr(request, CACHE_ATTRIBUTE, areas)
    return areas


def build_navigation(request: HttpRequest) -> list[NavigationArea]:
    pages: dict[str, list[NavigationPage]] = {}
    for entry in list_registered_pages():
        if entry.is_visible(request):
            pages.setdefault(entry.tab, []).append(NavigationPage(entry, entry.get_label(), entry.get_url()))
    mark_current_page([page for tab_pages in pages.values() for page in tab_pages], request)
    areas = [
        NavigationArea(
            area,
            [
                NavigationTab(tab, pages[f"{area.key}.{tab.key}"])
                for tab in area.tabs
                if f"{area.key}.{tab.key}" in pages
            ],
        )
        for area in AREAS
    ]
    return [area for area in areas if area.tabs]


def mark_current_page(pages: list[NavigationPage], request: HttpRequest) -> None:
    """Mark the page that names the view among its details, else the one with the longest URL that the request's URL starts with."""
    match = getattr(request, "resolver_match", None)
    owners = [page for page in pages if match is not None and match.view_name in page.entry.details]
    home = get_home_url()
    below = [page for page in pages if request.path.startswith(page.url) and (page.url != home or request.path == home)]
    current = owners[0] if owners else max(below, key=lambda page: len(page.url), default=None)
    if current is not None:
        current.is_current = True


def describe_empty_list(request: HttpRequest, model: str) -> dict[str, Any]:
    """Return what to do while the list of a model such as "catalog.Product" is empty; the URL is empty for users without the page."""
    entry = next((entry for entry in _entries if get_key(entry) == model.lower()), None)
    if not isinstance(entry, MenuList):
        return {}
    text: dict[str, Any] = {"text": entry.empty}
    if entry.empty_action is not None:
        label, url_name = entry.empty_action
        url = reverse(url_name)
        pages = [page for area in get_navigation(request) for tab in area.tabs for page in tab.pages]
        text |= {"label": label, "url": url if any(page.url == url for page in pages) else ""}
    return text


def get_home_url() -> str:
    try:
        return reverse("admin:index")
    except NoReverseMatch:
        return ""


def describe_location(request: HttpRequest) -> dict[str, Any]:
    """Return the current area, its tabs, the pages of the current tab, and whether the request is for the registered page itself.

    Tabs and pages are empty lists if there is only one.
    """
    area = next((area for area in get_navigation(request) if area.is_current), None)
    if area is None:
        return {"area": None, "tabs": [], "pages": [], "page": None, "is_registered_page": False}
    tab = next(tab for tab in area.tabs if tab.is_current)
    page = next(page for page in tab.pages if page.is_current)
    return {
        "area": area,
        "tabs": area.tabs if len(area.tabs) > 1 else [],
        "pages": tab.pages if len(tab.pages) > 1 else [],
        "page": page,
        "is_registered_page": request.path == page.url,
    }
