"""Everything by which a customer's data can be found: the numbers of merged customers and all identifiers."""

from config.foundation.personal_data.person import Person
from customers.identity.models import Customer, Identifier, IdentityMerge


def build_person(customer: Customer) -> Person:
    """Return the person for an export; merges that were undone are left out."""
    merges = IdentityMerge.objects.filter(kept=customer, reverted_at=None).order_by("pk")
    identifiers = Identifier.objects.filter(customer=customer).order_by("pk")
    return Person(
        customer_id=customer.pk,
        merged_ids=tuple(merges.values_list("merged_id", flat=True)),
        identifiers=tuple(identifiers.values_list("kind", "value")),
    )
