"""Every page, endpoint and export as every role and key without access to personal data: none shows any of the planted data.

The same walks check which pages and links a role may open.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.db.models import Model
from django.http.response import HttpResponseBase
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, resolve, reverse
from django.utils import timezone

from config.access.roles import ROLES
from config.access.scopes import KNOWN_SCOPES
from config.monitoring.models import MonitoringState
from customers.analytics.expressions.parameters import parse_parameters
from customers.analytics.questions.trends import TrendParameters
from customers.analytics.rest.serializers import make_query_id
from customers.identity.personal_data.masking import PERSONAL_SCOPE
from customers.lifecycle.models import StageRules
from customers.lifecycle.stages.rules import get_active_rules
from customers.policy.document.versions import publish_policy
from recommendations.serving.backoffice import audience_page
from recommendations.serving.batch.audience import Audience, AudienceMember
from recommendations.serving.rest import audience_api
from tests.config.access.callers import make_client
from tests.config.access.planted_data import (
    ANONYMOUS_ID,
    BIRTHDAY,
    EMAIL,
    NAME,
    PHONE,
    PHONE_USER_ID,
    USER_ID,
    find_secret,
    list_report_addresses,
    plant_everything,
)
from tests.config.backoffice.test_role_walk import LINK, WHOM_TO_ASK, list_expected_statuses
from tests.customers.lifecycle.customer_page import TABS
from tests.customers.lifecycle.sample_shop import share_rows
from tests.makers import NOON

# the pages of the other roles without personal data are among those of these two and of the user with all other permissions
BLIND_ROLES = ("Analyst", "Operator")
ALL_BUT_PERSONAL = "everything but personal data"
# apps whose rows contain planted data, and how many rows of a model are opened: all by the user with the most permissions, who also
# opens one row of other models, and some by the roles
PLANTED_APPS = frozenset({"identity", "events", "orders", "feedback", "auditlog"})
PLANTED_ROWS, PLANTED_ROWS_OF_ROLES = 8, 2
REQUIRED_QUERIES = {
    "customer-offer": "?placement=top",
    "visitor-offer": "?placement=top",
    "segment-overlap": "?other=handpicked",
}
SEARCH = "/api/v1/search/"  # 503 until a thread has read the products, like autocomplete below it
DRILLDOWN = "figure=rfm-cell&basis=all&r=5&f=1"
# pages that are not walked, each with the reason
EXEMPT = {
    "admin:logout": "ends the session",
    "admin:jsi18n": "texts for scripts",
    "admin:view_on_site": "no model has a page in the shop",
    "docs": "the texts of the API's documentation",
    "schema": "the API's documentation",
}


@pytest.fixture(scope="module")
def shop(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SimpleNamespace]:
    """Plant personal data once for all tests of the module."""
    exports = tmp_path_factory.mktemp("exports")
    with share_rows(django_db_blocker):
        planter = User.objects.create_superuser("planter")
        planted = plant_everything(planter, exports)
        yield SimpleNamespace(exports=exports, planter=planter, **vars(planted))


@pytest.fixture(autouse=True)
def planted_audience(shop: SimpleNamespace, db: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer requests for an audience with the planted customers, instead of training a model."""
    settings.EXPORTS_DIR = shop.exports
    members = [
        AudienceMember(shop.customer.pk, USER_ID, 1.0, "you_viewed"),
        AudienceMember(shop.other.pk, PHONE_USER_ID, 0.5, "you_viewed"),
    ]
    for module in (audience_page, audience_api):
        monkeypatch.setattr(module, "find_audience", lambda **_options: Audience("tea", "v1", True, members))


def list_patterns(patterns: Iterable[Any], path: str = "", names: str = "") -> Iterator[tuple[str, str, URLPattern]]:
    """Yield the path, the qualified name and the pattern of every URL of the project."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            namespace = f"{names}{pattern.namespace}:" if pattern.namespace else names
            yield from list_patterns(pattern.url_patterns, path + str(pattern.pattern), namespace)
        else:
            yield path + str(pattern.pattern), f"{names}{pattern.name}", pattern


def read_body(response: HttpResponseBase) -> str:
    """Return the headers and the body, also of a streamed response."""
    body = b"".join(response.streaming_content) if response.streaming else response.content  # type: ignore[attr-defined]
    return f"{dict(response.items())}\n{body.decode(errors='replace')}"


class Walk:
    """Opens addresses as one caller and collects those that show planted data, and the links of the back office's pages."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.leaks: dict[str, str] = {}
        self.statuses: dict[str, int] = {}
        self.statuses_by_view: defaultdict[str, set[int]] = defaultdict(set)
        self.links: dict[str, str] = {}  # link → a page that has it
        self.unexplained_refusals: list[str] = []

    def open(self, address: str) -> None:
        response = self.client.get(address)
        self.check(address, response)
        if address.startswith("/admin/"):
            self.statuses_by_view[resolve(address.partition("?")[0]).view_name].add(response.status_code)
            is_page = response.headers["Content-Type"].startswith("text/html")
            if response.status_code == 200 and is_page:
                self.links |= dict.fromkeys(LINK.findall(read_body(response)), address)
            if response.status_code == 403 and WHOM_TO_ASK not in response.text:
                self.unexplained_refusals.append(address)

    def list_refused_links(self) -> list[str]:
        """Return the links to views that have refused this caller, with a page that has each."""
        return sorted(
            f"{link} on {page}"
            for link, page in self.links.items()
            if self.statuses_by_view[resolve(link).view_name] == {403}
        )

    def post(self, address: str, **data: Any) -> None:
        self.check(f"{address} {data}", self.client.post(address, data))

    def post_json(self, address: str, data: dict[str, Any]) -> None:
        self.check(address, self.client.post(address, data, content_type="application/json"))

    def check(self, address: str, response: Any) -> None:
        assert response.status_code < 500 or address.startswith(SEARCH), address
        self.statuses[address] = response.status_code
        if secret := find_secret(read_body(response)):
            self.leaks[address] = secret

    def count(self, status: int) -> int:
        return list(self.statuses.values()).count(status)


def make_user(role: str) -> User:
    user = User.objects.create_user(role.replace(" ", "-"), is_staff=True)
    if role == ALL_BUT_PERSONAL:
        user.user_permissions.set(Permission.objects.exclude(codename="view_personal"))
    else:
        user.groups.add(Group.objects.get(name=role))
    return user


def walk_as(user: User) -> Walk:
    client = Client(raise_request_exception=True)
    client.force_login(user)
    return Walk(client)


def list_admin_addresses(shop: SimpleNamespace, planted_rows: int) -> Iterator[str]:
    """Yield the address of every admin page, with the keys of planted objects."""
    for path, name, pattern in list_patterns(get_resolver().url_patterns):
        if (
            not name.startswith(("admin:", "customer_list:", "privacy_requests:"))
            or name in EXEMPT
            or pattern.name is None
        ):
            continue
        for arguments in list_admin_arguments(shop, path, list(pattern.pattern.converters), planted_rows):
            yield reverse(name, kwargs=arguments)
            if name == "admin:lifecycle_customer":
                yield from (f"{reverse(name, kwargs=arguments)}?tab={tab}" for tab in TABS)


def list_admin_arguments(shop: SimpleNamespace, path: str, names: list[str], planted_rows: int) -> list[dict[str, Any]]:
    """Return values for the parameters of an admin URL; an unknown parameter fails the test."""
    if "app_label" in path and not names:
        return [{"app_label": label} for label in sorted({model._meta.app_label for model in admin.site._registry})]
    if not names:
        return [{}]
    if names in (["campaign_id", "action"], ["campaign_id", "group"]):
        values = ["pause"] if "action" in names else ["recipients", "sent"]
        return [{names[0]: shop.campaign.pk, names[1]: value} for value in values]
    [name] = names
    known = {
        "customer_id": [shop.customer.pk, shop.other.pk],
        "product_id": ["tea"],
        "segment_id": [shop.segment.pk, shop.static.pk],
        "rule_id": [shop.rule.pk],
        "campaign_id": [shop.campaign.pk],
        "addition_id": [shop.addition.pk],
        "request_id": [shop.privacy_request.pk],
        "restriction_id": [0],  # is only lifted
        "view_id": [0],  # is only deleted
    }
    if name in known:
        return [{name: value} for value in known[name]]
    assert name in ("object_id", "record_id", "run_id", "export_id", "id", "user_id", "pk"), (
        f"No value for {name} of {path}."
    )
    _admin, label, model_name, *_rest = path.split("/")
    model = next(model for model in admin.site._registry if model._meta.label_lower == f"{label}.{model_name}")
    return [{name: pk} for pk in list_rows(model, planted_rows)]


def list_rows(model: type[Model], planted_rows: int) -> list[Any]:
    """Return the primary keys of the rows of a model that are opened."""
    n_rows = planted_rows if model._meta.app_label in PLANTED_APPS else int(planted_rows == PLANTED_ROWS)
    return list(model._default_manager.order_by("pk").values_list("pk", flat=True)[:n_rows])


def list_export_posts(shop: SimpleNamespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the actions of changelists that list or export objects, and the exports of django-import-export."""
    for model in admin.site._registry:
        meta = model._meta
        address = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
        if meta.app_label in PLANTED_APPS:
            for action in ("delete_selected", "export"):
                yield address, {"action": action, "_selected_action": list_rows(model, PLANTED_ROWS)}
    for name in ("admin:catalog_product_export", "admin:serving_synonym_export"):
        yield reverse(name), {"format": "0", "resource": "", "productresource_id": "on"}


def list_searches(shop: SimpleNamespace) -> Iterator[str]:
    """Yield searches whose results could name people."""
    yield f"{reverse('admin:search')}?s=shop"
    yield f"{reverse('admin:search')}?s=%23&extended=1"
    for model, model_admin in admin.site._registry.items():
        for field in model_admin.autocomplete_fields:
            meta = model._meta
            yield f"{reverse('admin:autocomplete')}?app_label={meta.app_label}&model_name={meta.model_name}&field_name={field}"
    yield f"{reverse('admin:lifecycle_drilldown')}?{DRILLDOWN}"
    yield f"{reverse('admin:events_live_rows')}?after=0"
    yield f"{reverse('admin:auditlog_logentry_changelist')}?event=1"
    yield from list_report_addresses(shop.reports)


def list_api_addresses(shop: SimpleNamespace) -> Iterator[str]:
    """Yield the address of every endpoint of the REST API that answers GET, with the IDs of planted objects."""
    values: dict[str, list[Any]] = {
        "product_id": ["tea"],
        "user_id": [USER_ID, PHONE_USER_ID],
        "anonymous_id": [ANONYMOUS_ID],
        "scenario": ["for-you"],
        "order_id": ["order-1", "order-2"],
        "version": ["v1"],
        "reference": [shop.privacy_request.reference],
        "query_id": [make_query_id("trends", parse_parameters(TrendParameters, shop.reports[0].parameters))],
    }
    pks = {
        "deliveries/": shop.delivery.pk,
        "reports/": shop.reports[0].pk,
        "dashboards/": shop.reports[0].dashboards.get().pk,
    }
    for path, name, pattern in list_patterns(get_resolver().url_patterns):
        values["key"] = ["everyone", "handpicked"] if "segments/" in path else ["spring"]
        values["pk"] = [next((pk for part, pk in pks.items() if part in path), shop.rule.pk)]
        view = getattr(pattern.callback, "cls", None)
        if not path.startswith("api/v1/") or name in EXEMPT or view is None or not hasattr(view, "get"):
            continue
        for chosen in itertools.product(*(values[parameter] for parameter in pattern.pattern.converters)):
            address = path
            for value in chosen:
                start, _bracket, rest = address.partition("<")
                address = f"{start}{quote(str(value))}{rest.partition('>')[2]}"
            yield f"/{address}{REQUIRED_QUERIES.get(name, '')}"


def list_public_addresses() -> Iterator[str]:
    """Yield the address of every URL outside the back office and the REST API that has no parameters."""
    for path, _name, pattern in list_patterns(get_resolver().url_patterns):
        address = path.removeprefix("^").removesuffix("/?$")
        if not address.startswith(("admin/", "api/")) and not pattern.pattern.converters and "(" not in address:
            yield f"/{address}"


def walk_everything(walk: Walk, shop: SimpleNamespace, *, planted_rows: int) -> None:
    """Open every page and endpoint, and run the actions that list or export objects."""
    for address in (*list_admin_addresses(shop, planted_rows), *list_searches(shop), *list_api_addresses(shop)):
        walk.open(address)
    for address, data in (*list_export_posts(shop), build_stage_preview()):
        walk.post(address, **data)


def build_stage_preview() -> tuple[str, dict[str, Any]]:
    """Return the preview of stage rules under which the planted customers change their stage."""
    rules = get_active_rules()
    assert rules is not None
    fields = [field for field in StageRules._meta.fields if field.editable and not field.primary_key]
    values = {field.name: value for field in fields if (value := getattr(rules, field.name)) is not None}
    return reverse("admin:lifecycle_stagerules_preview"), {**values, "second_gap_days": 1}


# role → number of pages and endpoints that it opens at least
OPENED = {"Analyst": 100, "Marketer": 100, "Merchandiser": 90, "Operator": 90, ALL_BUT_PERSONAL: 250}


@pytest.mark.parametrize("role", [*BLIND_ROLES, ALL_BUT_PERSONAL])
def test_no_page_shows_personal_data_to_a_role_without_the_permission(shop: SimpleNamespace, role: str) -> None:
    user = make_user(role)
    walk = walk_as(user)
    walk_everything(walk, shop, planted_rows=PLANTED_ROWS if role == ALL_BUT_PERSONAL else PLANTED_ROWS_OF_ROLES)
    assert walk.leaks == {}
    if role in ROLES:
        check_menu(walk, user)
    assert walk.count(200) >= OPENED[role]


def check_menu(walk: Walk, user: User) -> None:
    """The pages of the menu opened and no others, which said whom to ask, and no page linked to one that the role may not open."""
    expected = list_expected_statuses(user)
    for address in expected.keys() - walk.statuses.keys():
        walk.open(address)
    assert {address: walk.statuses[address] for address in expected} == expected
    assert set(walk.unexplained_refusals) & expected.keys() == set()
    assert "\n".join(walk.list_refused_links()) == ""


def test_no_endpoint_shows_personal_data_to_a_key_without_the_scope(shop: SimpleNamespace) -> None:
    scopes = sorted(KNOWN_SCOPES.keys() - {PERSONAL_SCOPE})
    publish_policy(by="olga", at=NOON, note="", is_material=False, asks_again=False)
    addresses = list(list_api_addresses(shop))
    opened: set[str] = set()
    for granted in (*([scope] for scope in scopes), scopes):
        walk = Walk(make_client(*granted))
        for address in addresses:
            walk.open(address)
        walk.post_json("/api/v1/segments/preview/", {"condition": {"all": []}, "sample": 10})
        assert walk.leaks == {}, granted
        opened |= {address for address, status in walk.statuses.items() if status == 200}
    unopened = [address for address in addresses if address not in opened and not address.startswith(SEARCH)]
    # the file of a privacy request is all personal data: it needs the scope
    assert [address for address in unopened if not address.endswith("/file/")] == []


def test_no_public_page_shows_personal_data(shop: SimpleNamespace) -> None:
    MonitoringState.objects.create(
        pk=1, checked_at=timezone.now()
    )  # otherwise /health/detailed fails in an old database
    walk = Walk(make_client(kind="publishable"))
    for address in (*list_public_addresses(), *list_api_addresses(shop)):
        walk.open(address)
    assert walk.leaks == {}
    assert walk.count(200) >= 4


def test_a_privacy_officer_sees_the_personal_data(shop: SimpleNamespace) -> None:
    """Without this test, a page that shows nothing at all would pass the others."""
    walk = walk_as(make_user("Privacy officer"))
    page = read_body(walk.client.get(reverse("admin:identity_customer_change", args=[shop.customer.pk])))
    assert all(value in page for value in (NAME, EMAIL, PHONE, BIRTHDAY, USER_ID))


def test_an_administrator_sees_the_personal_data_of_each_kind(shop: SimpleNamespace) -> None:
    walk = walk_as(make_user("Administrator"))
    addresses = [
        reverse("admin:lifecycle_customer", args=[shop.customer.pk]),
        reverse("admin:events_event_change", args=[shop.event.pk]),
        reverse("admin:events_event_changelist"),
        reverse("customer_list:list"),
        f"{reverse('customer_list:export')}?personal",
        reverse("admin:segments_segment_members", args=[shop.segment.pk]),
        reverse("admin:serving_audience", args=["tea"]),
        reverse("admin:events_rejectedevent_change", args=[shop.rejected.pk]),
        reverse("admin:orders_order_changelist"),
        reverse("admin:orders_order_change", args=[shop.order.pk]),
        reverse("admin:orders_orderimport_errors", args=[shop.order_import.pk]),
        reverse("admin:feedback_review_changelist"),
        reverse("admin:feedback_review_change", args=[shop.review.pk]),
        reverse("admin:auditlog_logentry_changelist"),
    ]
    for address in addresses:
        walk.open(address)
    assert list(walk.leaks) == addresses
    address, values = build_stage_preview()
    walk.post(address, **values)
    assert len(walk.leaks) == len(addresses) + 1


def test_a_key_with_the_scope_sees_the_personal_data(shop: SimpleNamespace) -> None:
    walk = Walk(make_client(*KNOWN_SCOPES))
    for address in list_api_addresses(shop):
        walk.open(address)
    shown = {address.removeprefix("/api/v1/").partition("/")[0] for address in walk.leaks}
    rooms = {"campaigns", "customers", "deliveries", "events", "orders", "products", "reviews", "segments"}
    assert shown == rooms | {"analytics"}
