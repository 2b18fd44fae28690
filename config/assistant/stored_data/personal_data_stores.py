"""What the assistant stores about customers: nothing. Its tables belong to programs that members of the team have connected."""

from config.foundation.personal_data.locations import table
from config.foundation.personal_data.registry import register_impersonal

register_impersonal(
    table("oauth2_provider.Application"),
    table("oauth2_provider.AccessToken"),
    table("oauth2_provider.RefreshToken"),
    table("oauth2_provider.Grant"),
    table("oauth2_provider.IDToken"),
    table("oauth2_provider.DeviceGrant"),
    reason="Programs that members of the team have connected, with hashes of their tokens; no customers.",
)
