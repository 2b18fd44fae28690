"""Texts about requests: how urgent one is, and what happens next."""

from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from config.foundation.number_formats import format_moment
from customers.privacy.models import PrivacyRequest, PrivacyRequestEntry, RequestKind, RequestState
from customers.privacy.requests.history import CUSTOMER

BADGES = {
    RequestState.RECEIVED: "warns",
    RequestState.WAITING: "",
    RequestState.IN_PROGRESS: "",
    RequestState.EXTENDED: "warns",
    RequestState.DONE: "good",
    RequestState.REJECTED: "bad",
    RequestState.CANCELED: "",
}


def describe_due(request: PrivacyRequest, *, now: datetime) -> str:
    """Return the remaining time in words: "3 days left", "overdue by 2 days", "paused"; empty for an ended request."""
    if not request.is_open:
        return ""
    if request.paused_at is not None:
        return _("paused until the identity is verified")
    days = (request.due_at - now).days
    if request.due_at < now:
        late = (now - request.due_at).days
        if not late:
            return _("overdue since today")
        return ngettext("overdue by %(days)d day", "overdue by %(days)d days", late) % {"days": late}
    if not days:
        return _("due today")
    return ngettext("%(days)d day left", "%(days)d days left", days) % {"days": days}


def describe_actor(actor: str) -> str:
    """Return who did a step, in words: "automatically" for a job."""
    if actor == CUSTOMER:
        return _("customer")
    return _("automatically") if actor.startswith("job:") else actor


def describe_step(entry: PrivacyRequestEntry) -> str:
    """Return what was done, in words."""
    if entry.step == PrivacyRequestEntry.Step.FAILED and "mail" in entry.details:
        return _("email to the customer could not be sent")
    return str(entry.get_step_display())


def describe_next_step(request: PrivacyRequest, *, now: datetime) -> str:
    """Return what the officer has to do next, or what happens automatically."""
    if not request.is_open:
        return ""
    if request.state == RequestState.WAITING:
        return _("The customer must open the link in the email. Nothing to do.")
    if request.paused_at is not None:
        return _("Verify the requester's identity: send a confirmation email, or check it yourself.")
    if request.customer_id is None:
        if request.result.get("scope") == "shop":
            return _(
                "Shopify asks to erase all data of the shop, because the app was uninstalled. Check this before you act."
            )
        return _("No customer has this email address. Choose the customer, or reject the request.")
    if request.erasure_run_id is not None:
        return _("The data is being erased. Nothing to do.")
    if request.runs_at is not None:
        if request.runs_at <= now:
            return _("The erasure begins within five minutes.")
        return _("The erasure begins on %(date)s. Nothing to do.") % {"date": format_moment(request.runs_at)}
    return {
        RequestKind.ERASURE: _("Check what would be erased, then confirm the erasure."),
        RequestKind.RECTIFICATION: _("Compare the proposed changes, then apply them."),
        RequestKind.ACCESS: _("The data file is being created."),
        RequestKind.PORTABILITY: _("The data file is being created."),
    }.get(RequestKind(request.kind), _("Apply it, or reject it with a reason."))
