"""The public pages of a customer's data: no log-in, no cookies and no script; the link is the proof.

Opening a link changes nothing, because mail programs open links automatically; only buttons change something.
"""

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from config.foundation.automated_decisions.registry import explain_decisions
from config.foundation.http.client_address import get_client_address
from config.foundation.rate_limiter import count_locally
from config.foundation.shop.profile import get_shop
from customers.identity.consent.restrictions import has_agreed_since_objecting, read_active_restrictions
from customers.identity.models import PERSON_FIELDS, Customer
from customers.identity.personal_data.hashing import normalize_email
from customers.privacy.export.downloads import ExportExpiredError, open_download
from customers.privacy.export.people import build_person
from customers.privacy.models import (
    IdentityProof,
    PrivacyExport,
    PrivacyRequest,
    RequestKind,
    RequestState,
    load_privacy_settings,
)
from customers.privacy.requests.fulfillment import fulfill_request
from customers.privacy.requests.history import CUSTOMER
from customers.privacy.requests.workflow import RequestStateError, cancel_request, prove_identity
from customers.privacy.self_service.actions import perform_action
from customers.privacy.self_service.asking import ask_for_link
from customers.privacy.self_service.kept_data import list_kept_kinds
from customers.privacy.self_service.limits import PAGES_PER_MINUTE, WINDOW_SECONDS, is_client_limited
from customers.privacy.self_service.links import (
    CONFIRM,
    DATA,
    DOWNLOAD,
    UNDO,
    AccessLink,
    InvalidAccessLinkError,
    build_download_url,
    find_link_customer,
    is_used,
    read_token,
)
from customers.privacy.self_service.page_links import list_page_links

MAX_EMAIL = 254
SHOWN_DECISIONS = 5
SHOWN_REQUESTS = 10
DOWNLOAD_NAME = "personal-data.zip"
type View = Callable[..., HttpResponseBase]


def serve_publicly(view: View) -> View:
    """Limit the requests of an IP address, use the language of `?language=`, and keep pages out of caches and referrers."""

    @csrf_exempt  # without cookies there is no session that another site could use; the link is the proof
    @never_cache
    @require_http_methods(["GET", "HEAD", "POST"])
    def wrapped(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        wait = count_locally(f"privacy-page:{get_client_address(request.META)}", max_requests=PAGES_PER_MINUTE)
        if wait:
            return HttpResponse(_("Too many requests."), status=429, headers={"Retry-After": str(wait)})
        language = request.GET.get("language", "")
        with translation.override(language if language in dict(settings.LANGUAGES) else translation.get_language()):
            response = view(request, **kwargs)
        response["Referrer-Policy"] = "no-referrer"
        response["X-Robots-Tag"] = "noindex"
        return response

    return wrapped


def render_public(request: HttpRequest, template: str, *, status: int = 200, **context: Any) -> HttpResponse:
    values = {
        "shop_name": get_shop().name,
        "languages": settings.LANGUAGES,
        "language": translation.get_language(),
        **context,
    }
    return render(request, template, values, status=status)


@serve_publicly
def show_start(request: HttpRequest) -> HttpResponse:
    """Ask for an email address, and send a link to it. The answer is the same for every address."""
    if request.method != "POST":
        return render_public(request, "privacy/start.html", state="asked", links=list_page_links())
    seconds = time.time()
    if is_client_limited(get_client_address(request.META), seconds=seconds):
        wait = str(round(WINDOW_SECONDS - seconds % WINDOW_SECONDS))
        response = render_public(request, "privacy/start.html", state="limited", status=429)
        response["Retry-After"] = wait
        return response
    email = normalize_email(request.POST.get("email", "").replace("\0", "")[:MAX_EMAIL])
    try:
        validate_email(email)
    except ValidationError:
        return render_public(request, "privacy/start.html", state="asked", error=True, email=email, status=400)
    language = translation.get_language() or "en"
    # the hidden field is filled in only by bots
    if not request.POST.get("website") and not ask_for_link(email=email, language=language, now=timezone.now()):
        return render_public(request, "privacy/start.html", state="unavailable", status=503)
    return render_public(request, "privacy/start.html", state="sent")


@serve_publicly
def show_data(request: HttpRequest, token: str) -> HttpResponse:
    """Show what is kept, and do what its buttons ask."""
    now = timezone.now()
    try:
        link = read_token(token, purpose=DATA, now=now)
    except InvalidAccessLinkError:
        return show_invalid_link(request)
    customer = find_link_customer(link)
    if customer is None:
        return show_invalid_link(request)
    error, field_errors = "", {}
    if request.method == "POST":
        action = request.POST.get("action", "")[:40]
        values = {name: text for name, text in request.POST.items() if isinstance(text, str)}
        try:
            done = perform_action(action=action, token=token, link=link, customer=customer, values=values, now=now)
            return redirect_to_overview(done)
        except RequestStateError as failure:
            error = str(failure)
        except ValidationError as failure:
            field_errors = {name: texts[0] for name, texts in failure.message_dict.items()}
            error = _("Please correct the fields below.")
    step = request.GET.get("step", "")
    context = build_context(link, customer, token, now=now)
    if step == "correct":
        template, context["fields"] = "privacy/correct.html", build_fields(customer, request, field_errors)
    elif step == "erase":
        template, context["grace_days"] = "privacy/erase.html", load_privacy_settings().erasure_grace_days
    else:
        template = "privacy/data.html"
        context |= build_overview(customer, link, now=now)
        context["done"] = find_done(request.GET.get("done", ""), context)
    return render_public(request, template, error=error, status=400 if error else 200, **context)


def redirect_to_overview(done: str) -> HttpResponse:
    """Redirect to the page with GET, so that reloading it, as its texts suggest, does not submit a form again."""
    return HttpResponseRedirect(f"?{urlencode({'language': translation.get_language() or '', 'done': done})}")


def find_done(done: str, context: Mapping[str, Any]) -> str:
    """Return the action that was just done if it is still in effect: it may have been undone in another tab."""
    restrictions, has_erasure = context["restrictions"], context["erasure"] is not None
    still_so = {
        "export": context["is_export_waiting"],
        "object_profiling": "profiling" in restrictions,
        "allow_profiling": "profiling" not in restrictions,
        "object_marketing": "marketing" in restrictions and not context["has_agreed_again"],
        "allow_marketing": "marketing" not in restrictions,
        "restrict": "all" in restrictions,
        "allow_all": "all" not in restrictions,
        "correct": True,
        "erase": has_erasure,
        "undo": not has_erasure,
    }
    return done if still_so.get(done, False) else ""


def show_invalid_link(request: HttpRequest) -> HttpResponse:
    return render_public(request, "privacy/start.html", state="invalid", status=410)


def build_context(link: AccessLink, customer: Customer, token: str, *, now: datetime) -> dict[str, Any]:
    """Return what every page behind the link shows."""
    erasure = (
        PrivacyRequest.objects.open()
        .filter(customer=customer, kind=RequestKind.ERASURE)
        .order_by("-received_at")
        .first()
    )
    return {"token": token, "customer": customer, "erasure": erasure, "is_used": is_used(token), "now": now}


def build_overview(customer: Customer, link: AccessLink, *, now: datetime) -> dict[str, Any]:
    """Return what is kept about the customer, the decisions of programs, and the customer's requests."""
    requests = list(PrivacyRequest.objects.filter(customer=customer).order_by("-received_at")[:SHOWN_REQUESTS])
    exports = PrivacyExport.objects.filter(
        request__customer=customer, deleted_at=None, expires_at__gt=now, downloads_left__gt=0
    ).first()
    restrictions = {restriction.scope for restriction in read_active_restrictions(customer=customer)}
    return {
        "kept": list_kept_kinds(build_person(customer)),
        "details": [
            (label, getattr(customer, name)) for name, label in PERSON_FIELDS.items() if getattr(customer, name)
        ],
        "decisions": explain_decisions(customer_id=customer.pk, as_of=now, limit=SHOWN_DECISIONS),
        "restrictions": restrictions,
        "has_agreed_again": has_agreed_since_objecting(customer=customer, restrictions=restrictions),
        "requests": requests,
        "is_export_waiting": any(
            request.is_open and request.kind in (RequestKind.ACCESS, RequestKind.PORTABILITY) for request in requests
        ),
        "export": exports,
        "download_url": build_download_url(exports, language=link.language, now=now) if exports else "",
        "links": list_page_links(customer),
    }


def build_fields(customer: Customer, request: HttpRequest, errors: dict[str, str]) -> list[dict[str, Any]]:
    """Return the fields of the correction form with what was entered, or what is stored."""
    return [
        {
            "name": name,
            "label": label,
            "value": request.POST.get(name, getattr(customer, name)),
            "error": errors.get(name, ""),
            "type": {"email": "email", "phone": "tel"}.get(name, "text"),
        }
        for name, label in PERSON_FIELDS.items()
    ]


@serve_publicly
def show_download(request: HttpRequest, token: str) -> HttpResponseBase:
    """Ask for a click, then send the file; each download is counted."""
    now = timezone.now()
    try:
        link = read_token(token, purpose=DOWNLOAD, now=now)
    except InvalidAccessLinkError:
        return show_invalid_link(request)
    export = PrivacyExport.objects.filter(pk=link.number, deleted_at=None, expires_at__gt=now).first()
    if export is None or not export.downloads_left or not link.belongs_to(export.file_name):
        return render_public(request, "privacy/start.html", state="expired", status=410)
    if request.method != "POST":
        return render_public(request, "privacy/download.html", export=export)
    try:
        content = open_download(export, now=now, actor=CUSTOMER)
    except ExportExpiredError:
        return render_public(request, "privacy/start.html", state="expired", status=410)
    return StreamingHttpResponse(
        content,
        content_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{DOWNLOAD_NAME}"'},
    )


def find_link_request(link: AccessLink, requests: QuerySet[PrivacyRequest]) -> PrivacyRequest | None:
    """Return the request that a link was made for."""
    found = requests.filter(pk=link.number).first()
    return found if found is not None and link.belongs_to(str(found.reference)) else None


@serve_publicly
def show_undo(request: HttpRequest, token: str) -> HttpResponse:
    """Withdraw an erasure that has not begun."""
    now = timezone.now()
    try:
        link = read_token(token, purpose=UNDO, now=now)
    except InvalidAccessLinkError:
        return show_invalid_link(request)
    privacy_request = find_link_request(link, PrivacyRequest.objects.filter(kind=RequestKind.ERASURE))
    state = "asked" if privacy_request is not None and privacy_request.is_open else "ended"
    if request.method == "POST" and privacy_request is not None and state == "asked":
        try:
            cancel_request(privacy_request, at=now)
            state = "canceled"
        except RequestStateError:
            state = "ended"
    elif privacy_request is not None and privacy_request.state == PrivacyRequest.State.CANCELED:
        state = "canceled"
    return render_public(request, "privacy/undo.html", state=state, privacy_request=privacy_request)


@serve_publicly
def show_confirm(request: HttpRequest, token: str) -> HttpResponse:
    """Prove that a request is the customer's own, and do what it asks."""
    now = timezone.now()
    try:
        link = read_token(token, purpose=CONFIRM, now=now)
    except InvalidAccessLinkError:
        return show_invalid_link(request)
    privacy_request = find_link_request(link, PrivacyRequest.objects.select_related("customer"))
    state = "ended"
    if privacy_request is not None and privacy_request.is_open and privacy_request.proof == IdentityProof.EMAIL_LINK:
        state = "confirmed"
    elif privacy_request is not None and privacy_request.state == RequestState.WAITING:
        state = "asked"
    if request.method == "POST" and privacy_request is not None and state == "asked":
        state = confirm_request(privacy_request, now=now)
    return render_public(request, "privacy/confirm.html", state=state, privacy_request=privacy_request)


def confirm_request(privacy_request: PrivacyRequest, *, now: datetime) -> str:
    """Prove a request and do what it asks, both or neither; return the state that the page shows."""
    try:
        with transaction.atomic():
            proven = prove_identity(privacy_request, proof=IdentityProof.EMAIL_LINK, at=now, actor=CUSTOMER)
            fulfill_request(proven, now=now, actor=CUSTOMER)
    except RequestStateError:  # another click, or an officer, was faster
        privacy_request.refresh_from_db()
        return "confirmed" if privacy_request.proof == IdentityProof.EMAIL_LINK else "ended"
    return "confirmed"
