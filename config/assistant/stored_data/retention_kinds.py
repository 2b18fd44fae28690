"""How long the expired tokens of connected assistants are kept."""

from datetime import datetime

from django.utils.translation import gettext_lazy

from config.foundation.retention.aged_rows import AgedRows
from config.foundation.retention.kinds import RetentionKind, RetentionPreview, register_retention

# A refresh token is valid for two weeks, so every token older than the shortest retention period has expired.
TOKENS = (
    AgedRows("oauth2_provider.Grant", "expires"),
    AgedRows("oauth2_provider.RefreshToken", "created"),
    AgedRows("oauth2_provider.AccessToken", "expires"),
)


def preview_tokens(before: datetime) -> RetentionPreview:
    """Return how many tokens are older, and the oldest moment."""
    previews = [rows.preview(before) for rows in TOKENS]
    moments = [preview.oldest for preview in previews if preview.oldest is not None]
    return RetentionPreview(sum(preview.rows for preview in previews), min(moments, default=None))


def purge_tokens(before: datetime) -> int:
    """Delete old tokens; return how many."""
    return sum(rows.purge(before) for rows in TOKENS)


register_retention(
    RetentionKind(
        key="assistant_tokens",
        label=gettext_lazy("Expired tokens of connected assistants"),
        note=gettext_lazy("Assistants keep working: they get new tokens before theirs expire."),
        default_days=30,
        min_days=15,
        preview=preview_tokens,
        purge=purge_tokens,
        order=66,
    )
)
