"""How long it is known who was in an exported audience."""

from django.utils.translation import gettext_lazy

from config.foundation.retention.aged_rows import AgedRows
from config.foundation.retention.kinds import RetentionKind, register_retention

EXPORTS = AgedRows("campaigns.AudienceExport", "exported_at", cleared={"held_out_ids": []})

register_retention(
    RetentionKind(
        key="audience_exports",
        label=gettext_lazy("Exports of audiences"),
        note=gettext_lazy(
            "Who was in the holdout group is removed; the number of customers remains. The comparison cannot be computed again."
        ),
        default_days=730,
        min_days=90,
        preview=EXPORTS.preview,
        purge=EXPORTS.purge,
        order=43,
    ),
)
