"""An officer enters a request that came by letter, phone or chat."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from customers.identity.customer_search import build_customer_search
from customers.identity.models import Customer
from customers.privacy.backoffice.permissions import CHANGE
from customers.privacy.models import IdentityProof, RequestChannel, RequestKind
from customers.privacy.regulations import Regulation
from customers.privacy.requests.fulfillment import fulfill_request
from customers.privacy.requests.notices import queue_confirmation
from customers.privacy.requests.opening import NewRequest, open_request

MAX_TEXT = 254


def show_new_request(request: HttpRequest) -> HttpResponse:
    """Show the form; on POST, open the request and redirect to its page."""
    check_permissions(request, CHANGE)
    errors: dict[str, str] = {}
    values = {name: request.GET.get(name, "")[:MAX_TEXT] for name in ("customer", "kind")}
    if request.method == "POST":
        values = {name: text.replace("\0", "").strip()[:MAX_TEXT] for name, text in request.POST.items()}  # type: ignore[union-attr]
        new, errors = read_form(values)
        if new is not None:
            return open_and_redirect(request, new)
    return render_page(
        request,
        "admin/privacy/new_request.html",
        title=_("New privacy request"),
        verdict=_("For requests that came by letter, phone or chat. The clock starts now."),
        kinds=[choice for choice in RequestKind.choices if choice[0] != RequestKind.RECTIFICATION],
        regulations=Regulation.choices,
        values=values,
        errors=errors,
        status=400 if errors else None,
    )


def read_form(values: dict[str, str]) -> tuple[NewRequest | None, dict[str, str]]:
    """Return the request that the form describes, or what is wrong with its fields."""
    errors: dict[str, str] = {}
    text, email = values.get("customer", ""), values.get("email", "")
    customer = Customer.objects.filter(build_customer_search(text), erased_at=None).first() if text else None
    if text and customer is None:
        errors["customer"] = _("No customer has this number, user ID, email address or phone number.")
    if email:
        try:
            validate_email(email)
        except ValidationError:
            errors["email"] = _("Enter a valid email address.")
    if not text and not email:
        errors["customer"] = _("Enter the customer, or the email address of an unknown person.")
    if values.get("kind") not in RequestKind.values:
        errors["kind"] = _("Choose what is requested.")
    regulation = values.get("regulation", "")
    if regulation and regulation not in Regulation.values:
        errors["regulation"] = _("Choose a regulation from the list.")
    if errors:
        return None, errors
    is_proven = values.get("proof") == IdentityProof.DOCUMENT and customer is not None
    new = NewRequest(
        kind=values["kind"],
        channel=RequestChannel.OFFICER,
        customer=customer,
        email=email or (customer.email if customer is not None else ""),
        language=get_language() or "",
        regulation=regulation,
        proof=IdentityProof.DOCUMENT if is_proven else IdentityProof.NONE,
        waits_for_email=not is_proven and values.get("proof") == IdentityProof.EMAIL_LINK,
    )
    return new, {}


def open_and_redirect(request: HttpRequest, new: NewRequest) -> HttpResponse:
    now = timezone.now()
    with transaction.atomic():
        opened, is_new = open_request(new, now=now)
        if is_new and new.waits_for_email:
            queue_confirmation(opened)
        elif is_new:
            fulfill_request(opened, now=now)
    if not is_new:
        messages.info(request, _("This customer has an open request of this kind already."))
    elif new.waits_for_email:
        messages.success(request, _("The request was recorded; the confirmation email is on its way."))
    else:
        messages.success(request, _("The request was recorded."))
    return HttpResponseRedirect(reverse("privacy_requests:request", args=[opened.pk]))
