"""The fields of segment conditions, which the branches of flows and on-site offers can use as well."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime

from django.utils.translation import gettext_lazy as _

from customers.intent.predicting import Likelihoods, predict_customers
from customers.segments.conditions.fields import BEHAVIOR, ConditionField, FieldType, Label, LiveValues, register_field

HELP = _(
    "Current value from 0 to 1. Available while a customer is visiting the shop and until 30 minutes after the last event."
)


def register_fields() -> None:
    register_field(build_field("order_likelihood", _("likelihood to order in this session"), lambda each: each.order))
    register_field(build_field("leave_likelihood", _("likelihood to leave the shop now"), lambda each: each.leave))


def build_field(name: str, label: Label, read: Callable[[Likelihoods], float]) -> ConditionField:
    return ConditionField(
        name,
        label,
        BEHAVIOR,
        FieldType.NUMBER,
        low=0,
        high=1,
        help=HELP,
        live_values=make_reader(read),
    )


def make_reader(read: Callable[[Likelihoods], float]) -> LiveValues:
    """Return the function that reads a field at the moment of a decision."""

    def read_values(as_of: datetime, customer_ids: Collection[int] | None) -> Mapping[int, float]:
        return {person: read(each) for person, each in predict_customers(customer_ids, now=as_of).items()}

    return read_values
