"""Shopify: the GraphQL Admin API, bulk operations for whole histories, and webhooks.

Sources, all of shopify.dev: docs/api/admin-graphql/2026-10 (schema), docs/apps/build/authentication-authorization/access-tokens/
client-credentials-grant (tokens of 24 hours), docs/api/usage/bulk-operations/queries (JSONL), docs/api/usage/limits (cost and
``throttleStatus``), docs/apps/build/webhooks/subscribe/https (signature) and docs/apps/build/webhooks/ignore-duplicates
(``X-Shopify-Event-Id``).
"""

import json
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import batched
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from customers.connectors.models import ShopRecordKind
from customers.connectors.platforms import http_client, shopify_records
from customers.connectors.platforms.base import (
    Connector,
    CredentialField,
    MappedRecord,
    PlatformError,
    RecordPage,
    ShopAccess,
    ShopFacts,
    TemporaryError,
    WebhookNotice,
)
from customers.connectors.platforms.values import clean_shop_url, dig, is_signed, read_time
from customers.connectors.platforms.webhook_bodies import read_body_object
from customers.privacy.shopify.webhooks import TOPICS as PRIVACY_TOPICS

API_VERSION = "2026-10"
SCOPES = ("read_products", "read_customers", "read_orders")
ALL_ORDERS = "read_all_orders"
# Without that scope, Shopify shows the orders of the last 60 days. A few days less, because the times of placing and creation can differ.
SHOWN_ORDERS = timedelta(days=55)
TOKEN_MARGIN_SECONDS = 300
POLL_SECONDS = 3.0
MAX_POLLS = 100  # then the run leaves the worker, and continues a minute later
PAGE_RECORDS = 1000
IDS_PER_QUERY = {ShopRecordKind.PRODUCTS: 20, ShopRecordKind.CUSTOMERS: 100, ShopRecordKind.ORDERS: 20}
NESTED_SIZE = 50
WAITING_STATES = frozenset({"CREATED", "RUNNING", "CANCELING"})
# topic of the header → kind, field of the body with the ID, whether the record is gone
TOPICS: dict[str, tuple[str, str, bool]] = {
    "products/create": (ShopRecordKind.PRODUCTS, "id", False),
    "products/update": (ShopRecordKind.PRODUCTS, "id", False),
    "products/delete": (ShopRecordKind.PRODUCTS, "id", True),
    "customers/create": (ShopRecordKind.CUSTOMERS, "id", False),
    "customers/update": (ShopRecordKind.CUSTOMERS, "id", False),
    "customers/delete": (ShopRecordKind.CUSTOMERS, "id", True),
    "customers_email_marketing_consent/update": (ShopRecordKind.CUSTOMERS, "customer_id", False),
    "orders/create": (ShopRecordKind.ORDERS, "id", False),
    "orders/updated": (ShopRecordKind.ORDERS, "id", False),
    "orders/delete": (ShopRecordKind.ORDERS, "id", True),
    "refunds/create": (ShopRecordKind.ORDERS, "order_id", False),
}
UNINSTALLED = "app/uninstalled"
STOCK_TOPIC, STOCK_SCOPE = "inventory_levels/update", "read_inventory"
STOCK_PREFIX = "inventory:"  # before the ID of an inventory item, whose product has to be looked up
READ_STOCK = "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on InventoryItem { id variant { product { id } } } } }"
IDS_PER_LOOKUP = 250
# with 10 lines of 4 objects each, 20 refunds stay below the cost limit of a query, 1000 points
REFUNDS_PER_QUERY, REFUND_LINES = 20, 10
READ_REFUNDS = f"""query ($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on Refund {{ id refundLineItems(first: {REFUND_LINES}) {{
nodes {{ {shopify_records.REFUND_LINE_FIELDS} }} pageInfo {{ hasNextPage endCursor }} }} }} }} }}"""
START_BULK = """mutation ($query: String!) { bulkOperationRunQuery(query: $query, groupObjects: true) {
bulkOperation { id status } userErrors { field message } } }"""
READ_BULK = """query ($id: ID!) { node(id: $id) { ... on BulkOperation { id status errorCode objectCount rootObjectCount url
partialDataUrl } } }"""
READ_SHOP = "{ shop { name currencyCode myshopifyDomain } currentAppInstallation { accessScopes { handle } } }"
SUBSCRIBE = """mutation ($topic: WebhookSubscriptionTopic!, $webhook: WebhookSubscriptionInput!) {
webhookSubscriptionCreate(topic: $topic, webhookSubscription: $webhook) { webhookSubscription { id } userErrors { field message } } }"""
UNSUBSCRIBE = (
    "mutation ($id: ID!) { webhookSubscriptionDelete(id: $id) { deletedWebhookSubscriptionId userErrors { message } } }"
)
LIST_WEBHOOKS = "{ webhookSubscriptions(first: 100) { nodes { id topic uri } } }"

# a record and the nodes of its nested connections
type RecordGroup = tuple[Mapping[str, Any], Mapping[str, Sequence[Mapping[str, Any]]]]


class ShopifyConnector(Connector):
    """A shop on Shopify."""

    key: ClassVar = "shopify"
    label: ClassVar = "Shopify"
    has_global_ids: ClassVar = True
    description: ClassVar = gettext_lazy(
        "Products with variants and stock, collections, customers with consent, orders and refunds."
    )
    address_label: ClassVar = gettext_lazy("Address of the shop")
    address_help: ClassVar = gettext_lazy("The address that ends with .myshopify.com, such as my-shop.myshopify.com.")
    steps: ClassVar = (
        gettext_lazy("Open dev.shopify.com, create an app and install it in your shop."),
        gettext_lazy(
            "In a version of the app, choose the scopes read_products, read_customers, read_orders, read_all_orders and read_inventory."
        ),
        gettext_lazy("Copy the client ID and the secret of the app from its settings."),
    )
    fields: ClassVar = (
        CredentialField(
            "client_id",
            gettext_lazy("Client ID"),
            gettext_lazy("Required, unless you enter the access token of an older app below."),
            is_required=False,
            is_secret=False,
        ),
        CredentialField(
            "client_secret",
            gettext_lazy("Client secret"),
            gettext_lazy("It also signs the webhooks. For older apps, this is the API secret key."),
        ),
        CredentialField(
            "admin_token",
            gettext_lazy("Admin API access token"),
            gettext_lazy("Only for apps that were created in the Shopify admin before 2026; it begins with shpat_."),
            is_required=False,
        ),
    )

    def __init__(self, access: ShopAccess) -> None:
        super().__init__(access)
        self.client = http_client.PlatformClient(access.address, headers={})

    def close(self) -> None:
        self.client.close()

    def interrupt(self) -> None:
        self.client.interrupt()

    @classmethod
    def clean_address(cls, text: str) -> str:
        url = clean_shop_url(text)
        parts = urlsplit(url)
        host = parts.hostname or ""
        if host == "admin.shopify.com" and parts.path.startswith("/store/"):
            return f"https://{parts.path.split('/')[2]}.myshopify.com"
        if not host.endswith(".myshopify.com") and host not in settings.FEED_PRIVATE_HOSTS:
            raise PlatformError(
                _(
                    "Enter the address that ends with .myshopify.com; it is in the Shopify admin under Settings › Domains."
                )
            )
        return f"{parts.scheme}://{parts.netloc}"

    def authorise(self) -> ShopFacts:
        data = self.run_query(READ_SHOP)
        granted = list_scopes(data)
        if missing := [scope for scope in SCOPES if scope not in granted]:
            raise PlatformError(
                _(
                    "The app lacks the scopes %(scopes)s. Add them to a version of the app in dev.shopify.com, "
                    "release it, and accept it in the shop."
                )
                % {"scopes": ", ".join(missing)}
            )
        notes = {
            ALL_ORDERS: _(
                "Without the scope read_all_orders, Shopify gives only the orders of the last 60 days. Request it in dev.shopify.com."
            ),
            STOCK_SCOPE: _("Without the scope read_inventory, stock changes arrive only once a night."),
        }
        missing_notes = tuple(note for scope, note in notes.items() if scope not in granted)
        return ShopFacts(
            str(dig(data, "shop", "name") or ""), str(dig(data, "shop", "currencyCode") or ""), missing_notes
        )

    def count_records(self, kind: str) -> int | None:
        name = f"{kind}Count"
        return dig(self.run_query(f"{{ {name}(limit: null) {{ count }} }}"), name, "count")

    def read_sample(self, kind: str) -> Sequence[MappedRecord]:
        selection = shopify_records.build_selection(kind, page_size=20)
        nodes = dig(self.run_query(f"{{ {kind}(first: 10) {{ nodes {{ {selection} }} }} }}"), kind, "nodes") or ()
        return self._map_groups(kind, [(node, self._read_children(kind, node)) for node in nodes])

    def iterate_pages(
        self, kind: str, cursor: Mapping[str, Any], *, since: datetime | None = None
    ) -> Iterator[RecordPage]:
        """Yield the lines of a bulk operation; the position is the operation and the byte in its file."""
        operation, offset = str(cursor.get("operation", "")), int(cursor.get("offset", 0))
        if not operation:
            search = f"updated_at:>='{since:%Y-%m-%dT%H:%M:%SZ}'" if since else ""
            operation = self._start_operation(kind, search)
            yield RecordPage((), {"operation": operation, "offset": 0})
        state = self._wait_for_operation(operation)
        if state is None:
            yield RecordPage((), {})  # it expired: the next run starts another one, and writes nothing twice
            raise TemporaryError(_("Shopify's export has expired or failed; it is started again."))
        total = int(state.get("rootObjectCount") or 0)
        if not state.get("url"):
            return  # no records
        path = Path(settings.VAR_DIR) / "tmp" / f"connector-{self.access.scratch_name}-{kind}.jsonl"
        if not path.exists() or offset == 0 or path.stat().st_size < offset:
            self.client.download(str(state["url"]), path)
            check_complete(path, int(state.get("objectCount") or 0))
        yield from self._read_file(path, kind, {"operation": operation}, offset, total)
        path.unlink(missing_ok=True)

    def _read_file(
        self, path: Path, kind: str, cursor: Mapping[str, Any], offset: int, total: int
    ) -> Iterator[RecordPage]:
        groups: list[RecordGroup] = []
        for end, node, children in read_groups(path, offset):
            groups.append((node, children))
            if len(groups) >= PAGE_RECORDS:
                yield RecordPage(self._map_groups(kind, groups), {**cursor, "offset": end}, total)
                groups = []
            offset = end
        yield RecordPage(self._map_groups(kind, groups), {**cursor, "offset": offset}, total)

    def fetch_records(self, kind: str, ids: Collection[str]) -> Sequence[MappedRecord]:
        selection = shopify_records.build_selection(kind, page_size=NESTED_SIZE)
        type_name = shopify_records.TYPES[ShopRecordKind(kind)]
        query = f"query ($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on {type_name} {{ {selection} }} }} }}"
        records: list[MappedRecord] = []
        for batch in batched(sorted(ids), IDS_PER_QUERY[ShopRecordKind(kind)]):
            data = self.run_query(query, {"ids": [f"gid://shopify/{type_name}/{number}" for number in batch]})
            nodes = [node for node in data.get("nodes") or () if node and node.get("id")]
            records += self._map_groups(kind, [(node, self._read_children(kind, node)) for node in nodes])
        return records

    def find_horizon(self, kind: str, *, at: datetime) -> datetime | None:
        if kind != ShopRecordKind.ORDERS or ALL_ORDERS in list_scopes(self.run_query(READ_SHOP)):
            return None
        return at - SHOWN_ORDERS

    def resolve_ids(self, kind: str, ids: Collection[str]) -> Mapping[str, str]:
        """Look up the products of inventory items, whose IDs are in the webhooks about stock."""
        names = {external_id: external_id for external_id in ids if not external_id.startswith(STOCK_PREFIX)}
        items = sorted(external_id for external_id in ids if external_id.startswith(STOCK_PREFIX))
        for batch in batched(items, IDS_PER_LOOKUP):
            gids = [f"gid://shopify/InventoryItem/{item.removeprefix(STOCK_PREFIX)}" for item in batch]
            nodes = self.run_query(READ_STOCK, {"ids": gids}).get("nodes") or ()
            for node in nodes:
                if product := shopify_records.read_id(dig(node, "variant", "product", "id")):
                    names[f"{STOCK_PREFIX}{shopify_records.read_id(dig(node, 'id'))}"] = product
        return names

    def _map_groups(self, kind: str, groups: Sequence[RecordGroup]) -> list[MappedRecord]:
        """Return records; the lines of refunds are fetched where several refunds share the goods of an order."""
        refund_lines: dict[str, list[Mapping[str, Any]]] = {}
        if kind == ShopRecordKind.ORDERS:
            orders = [
                shopify_records.list_open_refunds(node, children.get("lineItems", ())) for node, children in groups
            ]
            refund_lines = self._read_refund_lines([gid for gids in orders for gid in gids])
        return [shopify_records.map_record(kind, node, children, refund_lines) for node, children in groups]

    def _read_refund_lines(self, gids: Sequence[str]) -> dict[str, list[Mapping[str, Any]]]:
        """Return the lines of refunds by their IDs."""
        lines: dict[str, list[Mapping[str, Any]]] = {}
        for batch in batched(gids, REFUNDS_PER_QUERY):
            for node in self.run_query(READ_REFUNDS, {"ids": list(batch)}).get("nodes") or ():
                if node and node.get("id"):
                    fields = {"refundLineItems": shopify_records.REFUND_LINE_FIELDS}
                    lines[str(node["id"])] = self._read_connections(node, fields)["refundLineItems"]
        return lines

    def _read_children(self, kind: str, node: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
        return self._read_connections(node, shopify_records.CONNECTIONS[kind])

    def _read_connections(
        self, node: Mapping[str, Any], connections: Mapping[str, str]
    ) -> dict[str, list[Mapping[str, Any]]]:
        """Return the nodes of the nested connections of a record, with their further pages."""
        children: dict[str, list[Mapping[str, Any]]] = {}
        for name, fields in connections.items():
            children[name] = list(dig(node, name, "nodes") or ())
            page = dig(node, name, "pageInfo") or {}
            while page.get("hasNextPage"):
                further = self._read_further(node, name, fields, page.get("endCursor"))
                children[name] += further.get("nodes") or ()
                page = further.get("pageInfo") or {}
        return children

    def _read_further(self, node: Mapping[str, Any], name: str, fields: str, after: Any) -> Mapping[str, Any]:
        """Return the next page of a nested connection, such as the lines of a large order."""
        type_name = shopify_records.read_type(node.get("id"))
        query = f"""query ($id: ID!, $after: String) {{ node(id: $id) {{ ... on {type_name} {{ {name}(first: 200, after: $after) {{
            nodes {{ {fields} }} pageInfo {{ hasNextPage endCursor }} }} }} }} }}"""
        return dig(self.run_query(query, {"id": node["id"], "after": after}), "node", name) or {}

    def subscribe(self, url: str, existing: Mapping[str, str]) -> dict[str, str]:
        nodes = dig(self.run_query(LIST_WEBHOOKS), "webhookSubscriptions", "nodes") or ()
        registered = {str(node.get("topic")): str(node.get("id")) for node in nodes if node.get("uri") == url}
        webhooks = {}
        has_stock = STOCK_SCOPE in list_scopes(self.run_query(READ_SHOP))
        for topic in (*TOPICS, UNINSTALLED, *([STOCK_TOPIC] if has_stock else ())):
            name = topic.replace("/", "_").upper()
            webhooks[topic] = registered.get(name) or self._subscribe_topic(name, url)
        return webhooks

    def _subscribe_topic(self, name: str, url: str) -> str:
        data = self.run_query(SUBSCRIBE, {"topic": name, "webhook": {"uri": url, "format": "JSON"}})
        answer = data.get("webhookSubscriptionCreate") or {}
        raise_user_errors(answer)
        return str(dig(answer, "webhookSubscription", "id") or "")

    def unsubscribe(self, existing: Mapping[str, str]) -> None:
        for webhook_id in existing.values():
            self.run_query(UNSUBSCRIBE, {"id": webhook_id})

    def is_genuine(self, headers: Mapping[str, str], body: bytes) -> bool:
        secret = str(self.access.credentials.get("client_secret", ""))
        return is_signed(body, signature=headers.get("X-Shopify-Hmac-Sha256", ""), secret=secret)

    def read_notice(self, headers: Mapping[str, str], body: bytes) -> WebhookNotice | None:
        topic = headers.get("X-Shopify-Topic", "")
        event_id = headers.get("X-Shopify-Event-Id") or headers.get("X-Shopify-Webhook-Id", "")
        if topic in (UNINSTALLED, *PRIVACY_TOPICS):
            return WebhookNotice(f"{topic}:{event_id}", topic)
        if topic not in TOPICS and topic != STOCK_TOPIC:
            return None
        is_stock = topic == STOCK_TOPIC
        kind, field, is_deletion = TOPICS.get(topic, (ShopRecordKind.PRODUCTS, "inventory_item_id", False))
        payload = read_body_object(body)
        external_id = payload.get(field)
        if not isinstance(external_id, int | str) or not str(external_id).isdecimal():
            raise ValueError(f"{field} is not a number.")
        changed_at = read_time(payload.get("updated_at")) if field == "id" or is_stock else None
        return WebhookNotice(
            delivery_id=f"{topic}:{external_id}:{event_id}",
            topic=topic,
            kind=kind,
            external_id=f"{STOCK_PREFIX}{external_id}" if is_stock else str(external_id),
            is_deletion=is_deletion,
            changed_at=changed_at or read_time(headers.get("X-Shopify-Triggered-At")),
        )

    def run_query(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Run a GraphQL query and return its data; wait when the cost limit is used up. Raises PlatformError."""
        is_renewed = False
        for _attempt in range(http_client.MAX_TRIES):
            headers = {"X-Shopify-Access-Token": self._get_token()}
            self.client.headers = headers
            answer = self.client.send(
                "POST", f"/admin/api/{API_VERSION}/graphql.json", content={"query": query, "variables": variables or {}}
            )
            if answer.status == 401 and self._forget_token() and not is_renewed:
                is_renewed = True
                continue
            raise_for_status(answer.status)
            content = answer.read_json()
            wait = find_throttle_wait(content)
            if wait is None:
                return read_data(content)
            http_client.pause(wait)
        raise TemporaryError(_("The shop limits requests; the import continues later."), retry_after=60)

    def _get_token(self) -> str:
        credentials = self.access.credentials
        if credentials.get("admin_token"):
            return str(credentials["admin_token"])
        if credentials.get("access_token") and float(credentials.get("expires_at", 0)) > time.time():
            return str(credentials["access_token"])
        if not credentials.get("client_id"):
            raise PlatformError(_("Enter the client ID of the app, or the access token of an older app."))
        answer = self.client.send(
            "POST",
            "/admin/oauth/access_token",
            form={
                "grant_type": "client_credentials",
                "client_id": str(credentials["client_id"]),
                "client_secret": str(credentials.get("client_secret", "")),
            },
        )
        if answer.status != 200:
            raise PlatformError(
                _(
                    "Shopify rejects the client ID and secret (HTTP %(status)d). Copy both from the settings of the "
                    "app, and install the app in this shop."
                )
                % {"status": answer.status}
            )
        content = answer.read_json()
        lifetime = max(float(content.get("expires_in") or 0) - TOKEN_MARGIN_SECONDS, 60)
        credentials |= {"access_token": str(content.get("access_token", "")), "expires_at": time.time() + lifetime}
        self.access.save(credentials)
        return str(credentials["access_token"])

    def _forget_token(self) -> bool:
        """Forget a token that expired early; return whether there was one, so that another one can be requested."""
        return self.access.credentials.pop("access_token", None) is not None

    def _start_operation(self, kind: str, search: str) -> str:
        answer = self.run_query(START_BULK, {"query": shopify_records.build_bulk_query(kind, search)})
        result = answer.get("bulkOperationRunQuery") or {}
        if any("already in progress" in str(error.get("message")) for error in result.get("userErrors") or ()):
            raise TemporaryError(
                _("Another export of this app is running in Shopify; the import continues after it."), retry_after=60
            )
        raise_user_errors(result)
        return str(dig(result, "bulkOperation", "id") or "")

    def _wait_for_operation(self, operation: str) -> dict[str, Any] | None:
        """Return the completed operation; None if it failed or expired. Raises TemporaryError if it takes long."""
        for attempt in range(MAX_POLLS):
            state = self.run_query(READ_BULK, {"id": operation}).get("node")
            status = dig(state, "status")
            if status == "COMPLETED":
                return dict(state or {})
            if status not in WAITING_STATES:
                return None
            http_client.pause(min(POLL_SECONDS, 0.5 * (attempt + 1)))
        raise TemporaryError(_("Shopify is still preparing the export."), retry_after=30)


def list_scopes(data: Mapping[str, Any]) -> set[str]:
    """Return the scopes of the app; a scope to write includes the one to read."""
    granted = {str(scope.get("handle")) for scope in dig(data, "currentAppInstallation", "accessScopes") or ()}
    return granted | {scope.replace("write_", "read_") for scope in granted}


def read_groups(
    path: Path, offset: int
) -> Iterator[tuple[int, Mapping[str, Any], Mapping[str, Sequence[Mapping[str, Any]]]]]:
    """Yield each record of a JSONL file with its nested objects, and the byte after its last line."""
    node: Mapping[str, Any] | None = None
    children: dict[str, list[Mapping[str, Any]]] = {}
    position = offset
    with path.open("rb") as file:
        file.seek(offset)
        for line in file:
            value = json.loads(line)
            if "__parentId" in value:
                name = shopify_records.CHILD_TYPES.get(shopify_records.read_type(value.get("id")), "")
                children.setdefault(name, []).append(value)
            else:
                if node is not None:
                    yield position, node, children
                node, children = value, {}
            position += len(line)
    if node is not None:
        yield position, node, children


def check_complete(path: Path, objects: int) -> None:
    """Raise TemporaryError if a file has fewer lines than Shopify counted objects, or its last line is cut off."""
    lines, last = 0, b"\n"
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            lines += chunk.count(b"\n")
            last = chunk[-1:]
    if lines + (last != b"\n") < objects or (last not in (b"\n", b"}")):
        path.unlink(missing_ok=True)
        raise TemporaryError(_("The file of the shop is incomplete; it is downloaded again."))


def find_throttle_wait(content: Mapping[str, Any]) -> float | None:
    """Return how long to wait until the query has enough points; None if it ran."""
    errors = content.get("errors")
    codes = {dig(error, "extensions", "code") for error in errors} if isinstance(errors, list) else set()
    if "THROTTLED" not in codes:
        return None
    cost = dig(content, "extensions", "cost") or {}
    status = cost.get("throttleStatus") or {}
    missing = float(cost.get("requestedQueryCost") or 100) - float(status.get("currentlyAvailable") or 0)
    return min(max(missing / max(float(status.get("restoreRate") or 50), 1), 0.5), http_client.MAX_WAIT_SECONDS)


def read_data(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data of an answer. Raises PlatformError for the errors of GraphQL."""
    errors = content.get("errors")
    if errors:
        first = errors[0] if isinstance(errors, list) else {"message": errors}
        code, message = dig(first, "extensions", "code"), str(dig(first, "message") or first)[:300]
        if code == "ACCESS_DENIED":
            raise PlatformError(
                _("The app is not allowed to read this: %(message)s. Add the scope in dev.shopify.com.")
                % {"message": message}
            )
        if code == "INTERNAL_SERVER_ERROR":
            raise TemporaryError(_("Shopify reports an internal error; the request will be retried."))
        raise PlatformError(_("Shopify refuses the request: %(message)s") % {"message": message})
    return dict(content.get("data") or {})


def raise_user_errors(answer: Mapping[str, Any]) -> None:
    if errors := answer.get("userErrors"):
        text = "; ".join(str(error.get("message")) for error in errors)
        raise PlatformError(_("Shopify refuses the request: %(message)s") % {"message": text[:300]})


def raise_for_status(status: int) -> None:
    if status == 200:
        return
    reasons = {
        401: _(
            "Shopify rejects the access token. Enter the keys again, and check that the app is still installed in the shop."
        ),
        402: _("The shop is frozen, because its bill is unpaid."),
        403: _("Shopify denies access. Check that the app is installed in this shop."),
        404: _("There is no shop at this address. Check the name before .myshopify.com."),
        423: _("The shop is locked. Contact Shopify Support."),
    }
    raise PlatformError(reasons.get(status, _("Shopify answers with HTTP %(status)d.") % {"status": status}))
