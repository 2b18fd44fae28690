"""What privacy requests store about people: the request until it ends, and the file with the data until it expires."""

from collections.abc import Sequence
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from config.foundation.personal_data.locations import files, keys, table
from config.foundation.personal_data.person import Finding, Person, list_customer_ids
from config.foundation.personal_data.registry import register_impersonal, register_stores
from config.foundation.personal_data.stores import ErasurePhase, PersonalDataStore
from config.foundation.personal_data.table_stores import CustomerRows
from customers.privacy.export.downloads import delete_export, is_being_written
from customers.privacy.models import PrivacyExport


class ExportFiles(PersonalDataStore):
    """The encrypted files with everything about a person; an export of the person does not contain them."""

    key = "privacy.files"
    label = _("files of privacy requests")
    locations = (table("privacy.PrivacyExport"), *files("exports/privacy/*"))
    kept = _("The fact that a file was created, and when, without its content.")
    phase = ErasurePhase.INTAKE

    def erase(self, people: Sequence[Person]) -> int:
        exports = list(PrivacyExport.objects.filter(request__customer__in=list_customer_ids(people), deleted_at=None))
        for export in exports:
            delete_export(export, now=timezone.now())
        return len(exports)

    def find(self, people: Sequence[Person]) -> list[Finding]:
        count = PrivacyExport.objects.filter(request__customer__in=list_customer_ids(people), deleted_at=None).count()
        return [self.make_finding("file exports/privacy/*", count, "customer")] if count else []

    def has_writer_since_before(self, at: datetime) -> bool:
        return is_being_written(begun_before=at)


register_stores(
    ExportFiles(),
    CustomerRows(
        "privacy.requests",
        _("privacy requests"),
        "privacy.PrivacyRequest",
        blank={"customer_id": None, "email": "", "note": "", "proposal": ""},
        hidden=("id", "customer", "external_id", "erasure_run_id", "result"),
        kept=_("The receipt: what was asked, when and how it ended, without personal data."),
        phase=ErasurePhase.RECORDS,
    ),
    CustomerRows(
        "identity.restrictions",
        _("restrictions and objections"),
        "identity.ProcessingRestriction",
        hidden=("id", "customer"),
    ),
)
register_impersonal(
    table("privacy.PrivacyRequestEntry"),
    reason="Steps of requests: what was done, when and by which user; no customer.",
)
register_impersonal(table("privacy.UsedLink"), reason="Hashes of links that were used once.")
register_impersonal(table("privacy.PrivacySettings"), reason="Settings of the shop.")
register_impersonal(*keys("privacy:client:*", "privacy:email:*"), reason="Counters with keyed hashes, for an hour.")
