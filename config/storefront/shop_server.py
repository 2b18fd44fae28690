"""The server of the demo shop: it logs customers in with a user token and reports orders, as the server of any shop does."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from catalog.models import Product
from config.foundation.json_nesting import require_shallow_json
from config.foundation.shop.profile import get_shop
from config.storefront.keys import NAME
from customers.events.collector.ingest import ingest_items
from customers.events.models import Source
from customers.events.sources.user_tokens import create_user_token, is_valid_user_token, read_token_key

SERVER_SOURCE = f"{NAME}-server"
MAX_BODY_BYTES = 50_000
LOG_IN_LIFETIME = timedelta(days=30)  # as long as this browser stays logged in


class LogIn(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a log-in."""

    user_id: str


class PlacedOrderLine(msgspec.Struct, forbid_unknown_fields=True):
    """One line of an order; the price comes from the catalog, never from the browser."""

    product_id: str
    quantity: int
    recommendation_id: str = ""


class PlacedOrder(msgspec.Struct, forbid_unknown_fields=True):
    """The body of an order."""

    order_id: str
    anonymous_id: str
    lines: list[PlacedOrderLine]
    user_id: str = ""
    user_token: str = ""
    session_id: str = ""
    name: str = ""
    email: str = ""


@method_decorator(csrf_exempt, name="dispatch")  # the body must be JSON, which no form of another site can send
class ShopServerView(View):
    """A JSON endpoint of the demo shop."""

    http_method_names = ["post"]
    body_type: type[msgspec.Struct]

    def post(self, request: HttpRequest) -> HttpResponse:
        if not settings.DEMO:
            raise Http404("The shop is only available in demo mode (DEMO=true).")
        if request.content_type != "application/json":
            return JsonResponse({"detail": "Send JSON with Content-Type: application/json."}, status=415)
        body = request.read(MAX_BODY_BYTES)
        try:
            require_shallow_json(body)
            parsed = msgspec.json.decode(body, type=self.body_type)
        except ValueError as error:
            return JsonResponse({"detail": f"{error}."}, status=400)
        return self.answer(parsed, timezone.now())

    def answer(self, body: Any, now: datetime) -> HttpResponse:
        raise NotImplementedError


class LogInView(ShopServerView):
    """Logs in as any customer, because the demo has no passwords, and returns the user token of that customer."""

    body_type = LogIn

    def answer(self, body: LogIn, now: datetime) -> HttpResponse:
        key = read_browser_token_key()
        user_id = body.user_id.strip()
        if not user_id or len(user_id) > 200 or not key:
            return JsonResponse({"detail": "user_id must be a text of 1 to 200 characters."}, status=400)
        token = create_user_token(key=key, user_id=user_id, now=now, lifetime=LOG_IN_LIFETIME)
        return JsonResponse({"user_id": user_id, "user_token": token})


class OrderView(ShopServerView):
    """Reports an order to Perennial from a server source, with prices from the catalog."""

    body_type = PlacedOrder

    def answer(self, body: PlacedOrder, now: datetime) -> HttpResponse:
        if body.user_id and not is_valid_user_token(
            body.user_token, user_id=body.user_id, keys=[read_browser_token_key()], now=now
        ):
            return JsonResponse({"detail": "The user token is not valid. Log in again."}, status=403)
        items = [build_order_event(body, now)]
        if body.user_id and body.email:
            # only a customer who is logged in: anyone can type the address of someone else
            items.append(build_identify_event(body, now))
        result = ingest_items(
            source=Source.objects.get_or_create(
                key=SERVER_SOURCE, defaults={"name": "Demo shop server", "kind": Source.Kind.SERVER}
            )[0],
            items=[msgspec.json.encode(item) for item in items],
            call_type=None,
            sent_at=None,
            received_at=now,
        )
        if result.rejected:
            return JsonResponse({"detail": result.rejected[0].reason}, status=400)
        return JsonResponse({"order_id": body.order_id})


def read_browser_token_key() -> str:
    """Return the token key of the shop's browser source; empty before the demo has made its keys."""
    sealed = Source.objects.filter(key=NAME).values_list("sealed_token_key", flat=True).first()
    return read_token_key(sealed or "")


def build_order_event(order: PlacedOrder, now: datetime) -> dict[str, Any]:
    """Return the order as an event; products that the catalog lacks are left out."""
    ids = [line.product_id for line in order.lines if "\0" not in line.product_id]  # PostgreSQL has no texts with NUL
    products = {product.product_id: product for product in Product.objects.filter(product_id__in=ids)}
    lines: list[dict[str, Any]] = [
        {
            "product_id": line.product_id,
            "name": products[line.product_id].title,
            "price": float(products[line.product_id].price or 0),
            "quantity": min(max(line.quantity, 1), 99),
            **({"recommendation_id": line.recommendation_id} if line.recommendation_id else {}),
        }
        for line in order.lines
        if line.product_id in products
    ]
    currency = next((products[line["product_id"]].currency for line in lines), "") or get_shop().currency
    total = round(sum(line["price"] * line["quantity"] for line in lines), 2)
    return {
        **build_identity(order, now),
        "type": "track",
        "event": "Order Completed",
        "messageId": f"order-{order.order_id}",
        "properties": {"order_id": order.order_id, "total": total, "currency": currency, "products": lines},
    }


def build_identify_event(order: PlacedOrder, now: datetime) -> dict[str, Any]:
    return {
        **build_identity(order, now),
        "type": "identify",
        "messageId": f"identify-{order.order_id}",
        "traits": {"name": order.name.strip(), "email": order.email.strip()},
    }


def build_identity(order: PlacedOrder, now: datetime) -> dict[str, Any]:
    return {
        "anonymousId": order.anonymous_id,
        **({"userId": order.user_id} if order.user_id else {}),
        "timestamp": now.isoformat(),
        "context": {"library": {"name": "perennial-shop-server", "version": "1"}, "sessionId": order.session_id},
    }
