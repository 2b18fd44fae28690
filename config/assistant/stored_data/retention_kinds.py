"""How long the expired tokens of connected assistants are kept."""

from django.utils.translation import gettext_lazy

from config.foundation.retention.aged_rows import AgedRows, SeveralParts
from config.foundation.retention.kinds import RetentionKind, register_retention

# A refresh token is valid for two weeks, so every token older than the shortest retention period has expired.
TOKENS = SeveralParts(
    (
        AgedRows("oauth2_provider.Grant", "expires"),
        AgedRows("oauth2_provider.RefreshToken", "created"),
        AgedRows("oauth2_provider.AccessToken", "expires"),
    )
)

register_retention(
    RetentionKind(
        key="assistant_tokens",
        label=gettext_lazy("Expired tokens of connected assistants"),
        note=gettext_lazy("Assistants keep working: they get new tokens before theirs expire."),
        default_days=30,
        min_days=15,
        preview=TOKENS.preview,
        purge=TOKENS.purge,
        order=66,
    )
)
