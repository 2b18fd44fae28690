"""What destinations store about people: references to what is sent, hashed identifiers of audiences, and erasures under way."""

from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _

from config.foundation.personal_data.locations import table
from config.foundation.personal_data.person import Finding, Person
from config.foundation.personal_data.registry import register_impersonal, register_stores
from config.foundation.personal_data.stores import PersonalDataStore
from config.foundation.personal_data.table_stores import CustomerRows
from config.foundation.personal_data.text_stores import MatchingTexts, TextAction


class RemovalsUnderWay(PersonalDataStore):
    """Erasures that destinations have not confirmed yet; their content is deleted when they are done."""

    key = "destinations.removals"
    label = _("erasures passed on to destinations")
    kept = _(
        "The data a destination needs to remove the person, encrypted and kept until the destination confirms the removal."
    )
    locations = (table("destinations.RemovalRequest"),)

    def erase(self, people: Sequence[Person]) -> int:
        return 0

    def find(self, people: Sequence[Person]) -> list[Finding]:
        return []


register_stores(
    CustomerRows(
        "destinations.records",
        _("data sent to destinations"),
        "destinations.OutgoingRecord",
        columns=("customer_id",),
        hidden=("id", "destination", "source_id", "batch", "customer_id"),
    ),
    CustomerRows(
        "destinations.audience",
        _("audiences of advertising accounts"),
        "destinations.AdAudienceMember",
        hidden=("id", "destination", "customer_id", "list_id", "identifiers"),
    ),
    RemovalsUnderWay(),
    MatchingTexts(
        "destinations.errors",
        _("errors of deliveries to destinations"),
        "destinations.OutgoingRecord",
        "error",
        action=TextAction.MASK,
    ),
    MatchingTexts(
        "destinations.batches",
        _("errors of deliveries to destinations"),
        "destinations.DestinationBatch",
        "error",
        "notice",
        action=TextAction.MASK,
    ),
)
register_impersonal(
    table("destinations.Destination"),
    table("destinations.DestinationBatch", "stream", "key", "reference"),
    table("destinations.OutgoingRecord", "stream"),
    reason="Addresses and keys of systems that get data, and IDs of requests.",
)
