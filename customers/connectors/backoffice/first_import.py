"""The steps from the import of a shop's history to its first recommendations, with what to do next."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from config.foundation.job_runs import JobStatus
from config.foundation.number_formats import format_count
from customers.connectors.follow_ups.preparation import has_orders, read_state
from customers.connectors.follow_ups.registry import FollowUp, list_follow_ups
from customers.connectors.models import ShopConnection, ShopRecordKind, SyncedRecord, SyncRun
from customers.identity.models import Consent, ConsentDenial, Identifier
from customers.orders.models import Order

SHOWN_FOR = timedelta(days=7)  # after all steps are done
RECENT_ORDERS = 200
type StepState = Literal["done", "current", "failed", "later"]


@dataclass(frozen=True)
class ImportStep:
    """A step. percent: None if it is not known; url: the page of its runs."""

    label: str | Promise
    state: StepState
    text: str | Promise = ""
    percent: int | None = None
    url: str = ""


def find_first_import(shop: ShopConnection, *, at: datetime) -> SyncRun | None:
    """Return the import of the history while its steps are of interest."""
    run = shop.runs.filter(kind=SyncRun.Kind.BACKFILL).first()
    if run is None or (run.prepared_at is not None and at - run.prepared_at > SHOWN_FOR):
        return None
    return run


def build_import_steps(run: SyncRun, user: Any) -> list[ImportStep]:
    """Return the steps from products to recommendations."""
    steps = build_record_steps(run)
    if run.status != JobStatus.DONE:
        return steps + [ImportStep(follow_up.label, "later") for follow_up in list_follow_ups()]
    if not has_orders(run):
        return steps
    return steps + [build_follow_up_step(run, follow_up, user) for follow_up in list_follow_ups()]


def build_record_steps(run: SyncRun) -> list[ImportStep]:
    kinds = list(ShopRecordKind)
    position = kinds.index(ShopRecordKind(run.cursor.get("kind", kinds[0])))
    steps = []
    for number, kind in enumerate(kinds):
        counts = run.counts.get(kind.value, {})
        seen, total = counts.get("seen", 0), counts.get("total") or 0
        is_done = run.status == JobStatus.DONE or number < position
        is_current = not is_done and number == position
        open_state: StepState = "failed" if run.status == JobStatus.FAILED else "current"
        steps.append(
            ImportStep(
                kind.label,
                "done" if is_done else open_state if is_current else "later",
                describe_count(seen, total, is_done=is_done),
                min(100, seen * 100 // total) if is_current and total else None,
            )
        )
    return steps


def describe_count(seen: int, total: int, *, is_done: bool) -> str:
    if is_done:
        return format_count(seen)
    if total:
        return _("%(count)s of %(total)s") % {"count": format_count(seen), "total": format_count(total)}
    return format_count(seen) if seen else ""


def build_follow_up_step(run: SyncRun, follow_up: FollowUp, user: Any) -> ImportStep:
    state = read_state(run, follow_up)
    url = reverse(follow_up.url_name) if user.has_perm(follow_up.permission) else ""
    if state.status == "waiting":
        return ImportStep(follow_up.label, "current", _("Starts in a moment."), url=url)
    names: dict[str, StepState] = {"done": "done", "running": "current", "failed": "failed"}
    return ImportStep(follow_up.label, names[state.status], state.text, state.percent, url)


@dataclass(frozen=True)
class MissingConsents:
    """How many of the imported customers may not be personalized for, because they have given no consent."""

    denied: int
    total: int

    @property
    def are_all(self) -> bool:
        return bool(self.denied) and self.denied >= self.total

    @property
    def text(self) -> str:
        return describe_missing_consents(self.denied, self.total) if self.denied else ""


def describe_missing_consents(denied: int, total: int) -> str:
    text = ngettext(
        (
            "%(denied)s of %(total)s customer lives where personalization requires consent and has not given it: "
            "recommendations do not learn from this customer."
        ),
        (
            "%(denied)s of %(total)s customers live where personalization requires consent and have not given it: "
            "recommendations do not learn from them."
        ),
        total,
    )
    return text % {"denied": format_count(denied), "total": format_count(total)}


def count_missing_consents(run: SyncRun) -> MissingConsents:
    customers = SyncedRecord.objects.filter(
        connection=run.connection_id, kind=ShopRecordKind.CUSTOMERS, deleted_at=None
    )
    denials = list_denials().filter(value__in=customers.values("external_id"))
    return MissingConsents(denials.count(), customers.count())


def list_denials() -> QuerySet[ConsentDenial]:
    """Return the IDs of customers who may not be personalized for."""
    return ConsentDenial.objects.filter(kind=Identifier.Kind.USER_ID, purpose=Consent.Purpose.PERSONALISATION)


def find_result(run: SyncRun, user: Any) -> tuple[str | Promise, str] | None:
    """Return the label and the page of the first recommendations, once there are some."""
    if run.status != JobStatus.DONE or not has_orders(run):
        return None
    for follow_up in reversed(list_follow_ups()):
        is_visible = follow_up.result_label and user.has_perm(follow_up.permission)
        if is_visible and (run.prepared_at is not None or read_state(run, follow_up).status == "done"):
            return follow_up.result_label, follow_up.result(find_example_customer(run))
    return None


def find_example_customer(run: SyncRun) -> int | None:
    """Return the customer with most of the shop's latest orders, about whom most is known. Customers who deny personalization are left out."""
    denied = Identifier.objects.filter(kind=Identifier.Kind.USER_ID, value__in=list_denials().values("value"))
    orders = Order.objects.sales().known().filter(source=run.connection.source_id).order_by("-placed_at")
    allowed = orders.exclude(customer__in=denied.values("customer"))
    counts = Counter(allowed.values_list("customer_id", flat=True)[:RECENT_ORDERS])
    return counts.most_common(1)[0][0] if counts else None
