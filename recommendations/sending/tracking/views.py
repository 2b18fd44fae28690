"""The public pages of links in messages: no log-in, no cookies; the signed token determines who may do what."""

from base64 import b64decode
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from csp.decorators import csp_replace
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from config.foundation.http.client_address import get_client_address
from config.foundation.rate_limiter import count_locally
from config.foundation.shop.profile import get_shop
from customers.identity.models import Customer
from customers.policy.preferences.page import activate_language, answer_preferences
from recommendations.messaging.cards.pictures import draw_product
from recommendations.sending.models import Delivery
from recommendations.sending.tracking import tokens
from recommendations.sending.tracking.browser_view import render_in_browser
from recommendations.sending.tracking.entries import MAX_AGENT, TrackedEntry, compute_source
from recommendations.sending.tracking.links import remove_token
from recommendations.sending.tracking.opened_products import build_opened_link, choose_opened_product
from recommendations.sending.tracking.storing import record_entry
from recommendations.sending.tracking.subscriptions import count_withdrawal, unsubscribe

PIXEL = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
PAGES_PER_MINUTE = 120  # per address; opens and clicks are not limited, because one proxy loads them for many people
IMAGES_PER_MINUTE = 60  # per message, which has at most 12 products in a row
NOT_STORED = {"Cache-Control": "no-store, private"}
EMAIL_POLICY = {
    "default-src": ["'none'"],
    "img-src": ["https:", "http:", "data:"],
    "style-src": ["'unsafe-inline'"],
    "font-src": ["https:"],
    "frame-ancestors": ["'none'"],
    "sandbox": ["allow-popups", "allow-popups-to-escape-sandbox", "allow-top-navigation-by-user-activation"],
}
protect: Any = csp_replace(EMAIL_POLICY)  # typed for views without arguments from the URL
type View = Callable[..., HttpResponse]


def read_token(purpose: bytes, token: str) -> tuple[int, str]:
    try:
        return tokens.read_token(purpose, token)
    except tokens.InvalidTokenError as error:
        raise Http404(str(error)) from error


def get_delivery(purpose: bytes, token: str) -> Delivery:
    """Return the delivery of a link, and activate its language. Raises Http404."""
    delivery = Delivery.objects.filter(pk=read_token(purpose, token)[0]).first()
    if delivery is None:
        raise Http404("The message no longer exists.")
    if delivery.language:
        translation.activate(delivery.language)
    return delivery


def limit_pages(view: View) -> View:
    """Answer 429 to an address that requests too many pages."""

    def limited(request: HttpRequest, token: str) -> HttpResponse:
        wait = count_locally(f"message-page:{get_client_address(request.META)}", max_requests=PAGES_PER_MINUTE)
        if wait:
            return HttpResponse(_("Too many requests."), status=429, headers={"Retry-After": str(wait)})
        return view(request, token)

    return limited


def explain_invalid_links(view: View) -> View:
    """Show a page of the shop for a damaged link, because it is customers who open it; the usual page leads to the back office."""

    def explained(request: HttpRequest, token: str) -> HttpResponse:
        try:
            return view(request, token)
        except Http404:
            return show_invalid_link(request)

    return explained


@csrf_exempt
def show_invalid_link(request: HttpRequest) -> HttpResponse:
    """Show the page for damaged links."""
    return render_page(request, "invalid", status=404)


def record(request: HttpRequest, kind: str, delivery_id: int, url: str = "") -> None:
    """Record an open or click; a HEAD request, which link checkers send, counts as neither."""
    if request.method == "GET":
        agent = request.headers.get("User-Agent", "")[:MAX_AGENT]
        source = compute_source(get_client_address(request.META), agent)
        record_entry(TrackedEntry(kind, delivery_id, timezone.now(), url, agent, source))


@require_safe
@explain_invalid_links
def open_link(request: HttpRequest, token: str) -> HttpResponse:
    """Count a click and redirect to the URL, which only the shop could put into the token."""
    delivery_id, url = read_token(tokens.CLICK, token)
    record(request, "click", delivery_id, remove_token(url))
    response = HttpResponseRedirect(url)
    response["Referrer-Policy"] = "no-referrer"
    return response


@require_safe
def show_open_pixel(request: HttpRequest, token: str) -> HttpResponse:
    """Count an open; the answer is a transparent image, also for an unknown token."""
    with suppress(tokens.InvalidTokenError):
        record(request, "open", tokens.read_token(tokens.OPEN, token)[0])
    return HttpResponse(PIXEL, content_type="image/gif", headers=NOT_STORED)


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@limit_pages
@explain_invalid_links
def show_unsubscribe_page(request: HttpRequest, token: str) -> HttpResponse:
    """Ask for a confirmation (GET), or unsubscribe (POST: the button, or one click in a mail program, RFC 8058).

    A GET request changes nothing, because security scanners follow every link of an email.
    """
    delivery = get_delivery(tokens.UNSUBSCRIBE, token)
    if request.method == "POST":
        is_one_click = request.POST.get("List-Unsubscribe") == "One-Click"
        source = "one-click unsubscribe" if is_one_click else "unsubscribe page"
        unsubscribe(delivery, at=timezone.now(), source=source)
        if is_one_click:
            return HttpResponse(status=200)
    preferences = tokens.make_token(tokens.PREFERENCES, delivery.pk)
    return render_page(request, "unsubscribe", is_done=request.method == "POST", preferences_token=preferences)


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@limit_pages
@explain_invalid_links
def show_preferences_page(request: HttpRequest, token: str) -> HttpResponse:
    """Show and save what the customer of the message allows, in the preference center."""
    delivery = get_delivery(tokens.PREFERENCES, token)
    customer = Customer.objects.filter(pk=delivery.customer_id, erased_at__isnull=True).first()
    activate_language(request, delivery.language)
    opened_at = timezone.now()
    response = answer_preferences(request, customer, kind="message", reference=f"delivery {delivery.pk}")
    if request.method == "POST":
        count_withdrawal(delivery, since=opened_at)
    return response


@require_safe
@limit_pages
@explain_invalid_links
@protect
def show_message(request: HttpRequest, token: str) -> HttpResponse:
    """Show the message as it was sent, without scripts."""
    html = render_in_browser(get_delivery(tokens.VIEW, token), now=timezone.now())
    return HttpResponse(html) if html else render_page(request, "gone", status=410)


@require_safe
def show_product_image(request: HttpRequest, token: str) -> HttpResponse:
    """Draw the card of a product that is chosen now; without one, a transparent image."""
    delivery_id, place = read_token(tokens.IMAGE, token)
    wait = count_locally(f"message-image:{delivery_id}", max_requests=IMAGES_PER_MINUTE)
    if wait:
        return HttpResponse(_("Too many requests."), status=429, headers={"Retry-After": str(wait)})
    shown = choose_opened_product(delivery_id, place, now=timezone.now())
    if shown is None:
        return HttpResponse(PIXEL, content_type="image/gif", headers=NOT_STORED)
    return HttpResponse(draw_product(shown.card, language=shown.language), content_type="image/png", headers=NOT_STORED)


@require_safe
@explain_invalid_links
def open_product(request: HttpRequest, token: str) -> HttpResponse:
    """Count a click on the card of a product chosen at open, and redirect to the product that it showed."""
    delivery_id, place = read_token(tokens.PRODUCT, token)
    url = build_opened_link(delivery_id, place)
    if not url:
        raise Http404("The product has no page.")
    record(request, "click", delivery_id, url)
    response = HttpResponseRedirect(url)
    response["Referrer-Policy"] = "no-referrer"
    return response


def render_page(request: HttpRequest, name: str, *, status: int = 200, **context: Any) -> HttpResponse:
    response = render(request, f"sending/{name}.html", {"shop_name": get_shop().name, **context}, status=status)
    response["X-Robots-Tag"] = "noindex"
    response["Referrer-Policy"] = "no-referrer"
    return response
