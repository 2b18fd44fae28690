"""Conditions on consent: the latest entry of the ledger, and what applies in the customer's region without one."""

from datetime import datetime
from functools import reduce
from operator import or_

from django.db.models import Exists, OuterRef, Q, Value
from django.db.models.functions import Trim, Upper
from django.db.models.lookups import Exact, In

from customers.identity.consent.regions import CHINA, EUROPE, OTHER, get_consent_rules
from customers.identity.models import Consent
from customers.segments.conditions.condition_tree import Comparison
from customers.segments.conditions.fields import ALLOWED_PREFIX, ALLOWED_YES, CONSENT_NONE, CONSENT_PREFIX


def compile_consent(comparison: Comparison, as_of: datetime) -> Q:
    purpose = comparison.field.name.removeprefix(CONSENT_PREFIX)
    statuses = comparison.value if isinstance(comparison.value, list) else [comparison.value]
    return reduce(or_, (compile_latest_consent(purpose=purpose, status=status, as_of=as_of) for status in statuses))


def compile_allowed(comparison: Comparison, as_of: datetime) -> Q:
    """Compile "the customer allows this purpose" or its opposite, from the ledger and the default of the region."""
    allowed = compile_effective_consent(purpose=comparison.field.name.removeprefix(ALLOWED_PREFIX), as_of=as_of)
    values = comparison.value if isinstance(comparison.value, list) else [comparison.value]
    return reduce(or_, (allowed if value == ALLOWED_YES else ~allowed for value in values))


def compile_latest_consent(
    *, purpose: str, status: str, as_of: datetime, customer: str = "pk", since: datetime | None = None
) -> Q:
    """Compile "the latest consent record for this purpose has this status".

    ``none`` means that there is no record. since: older records of the status do not count.
    """
    lines = Consent.objects.filter(purpose=purpose, recorded_at__lte=as_of)
    if status == CONSENT_NONE:
        return ~Q(Exists(lines.filter(customer=OuterRef(customer))))
    later = Q(recorded_at__gt=OuterRef("recorded_at")) | Q(recorded_at=OuterRef("recorded_at"), pk__gt=OuterRef("pk"))
    # EXISTS can be planned as a join over all customers; a sort for the latest record would run once per customer
    latest = ~Exists(lines.filter(later, customer=OuterRef("customer")).exclude(status=status))
    own = lines.filter(latest, customer=OuterRef(customer), status=status)
    return Q(Exists(own if since is None else own.filter(recorded_at__gte=since)))


def compile_effective_consent(*, purpose: str, as_of: datetime, customer: str = "pk", country: str = "country") -> Q:
    """Compile "the customer allows this purpose": by a grant that is in force, or by the default of the region.

    The same as `EFFECTIVE_CONSENT`, as joins over all customers.
    """
    rules = get_consent_rules()
    granted = compile_latest_consent(
        purpose=purpose, status=Consent.Status.GRANTED, as_of=as_of, customer=customer, since=rules.get_renewal(purpose)
    )
    if not rules.may_assume(purpose):
        return granted
    withdrawn = compile_latest_consent(purpose=purpose, status=Consent.Status.WITHDRAWN, as_of=as_of, customer=customer)
    return granted | (~withdrawn & build_silence_condition(purpose, country))


def build_silence_condition(purpose: str, country: str) -> Q:
    """Return the condition that a purpose is allowed without an answer in the region of the country."""
    rules = get_consent_rules()
    name = Upper(Trim(country))
    is_unknown = Q(Exact(name, Value("")))
    in_region = {region: Q(In(name, rules.list_countries(region))) for region in (EUROPE, CHINA)}
    in_region[OTHER] = ~is_unknown & ~in_region[EUROPE] & ~in_region[CHINA]
    allowed = [region for region, purposes in rules.opt_in.items() if purpose not in purposes]
    condition = reduce(or_, (in_region[region] for region in allowed))
    return condition | is_unknown if rules.unknown in allowed else condition
