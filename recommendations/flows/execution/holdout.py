"""Decides at the entry who is held out of a flow, and stores the decision in the transaction of the entry."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from recommendations.flows.models import Flow
from recommendations.measurement.assignment import is_held_out
from recommendations.measurement.assignment_records import Kind, read_assigned, record_assignments


def name_holdout_salt(salt: str) -> str:
    """Return the salt of the holdout group, which must not depend on the random splits of the flow."""
    return f"{salt}:holdout"


class EntryHoldout:
    """The holdout groups of the flows that some customers may enter.

    The first decision about a customer stays, through new versions, merges and changes of the share.
    """

    def __init__(self) -> None:
        self.flows: dict[int, tuple[str, Decimal]] = {}
        self.known: dict[tuple[int, int], bool] = {}
        self.new: list[tuple[int, int, bool, float]] = []

    def load(self, candidates: Mapping[int, set[int]]) -> None:
        """Read the shares, and earlier decisions about the customers who may enter, by flow."""
        flows = Flow.objects.filter(pk__in=list(candidates), holdout_share__gt=0)
        self.flows = {pk: (salt, share) for pk, salt, share in flows.values_list("pk", "salt", "holdout_share")}
        customers = {customer for flow_id in self.flows for customer in candidates[flow_id]}
        self.known = read_assigned(kind=Kind.FLOW, scope_ids=list(self.flows), customer_ids=sorted(customers))

    def decide(self, *, flow_id: int, customer_id: int) -> bool:
        """Return whether a customer who enters now is held out; without a holdout group, nobody is."""
        if flow_id not in self.flows:
            return False
        key = (flow_id, customer_id)
        if key not in self.known:
            salt, share = self.flows[flow_id]
            self.known[key] = is_held_out(salt=name_holdout_salt(salt), customer_id=customer_id, share=share)
            self.new.append((*key, self.known[key], float(share)))
        return self.known[key]

    def store(self, *, at: datetime) -> None:
        record_assignments(kind=Kind.FLOW, assignments=self.new, at=at)
