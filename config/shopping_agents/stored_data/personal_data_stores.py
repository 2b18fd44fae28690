"""Shopping agents get product data only."""

from config.foundation.personal_data.locations import files, table
from config.foundation.personal_data.registry import register_impersonal

register_impersonal(
    table("shopping_agents.AgentFeedSettings"),
    table("shopping_agents.AgentFeedFile"),
    files("var/agent-feed/*"),
    reason="Settings of the product feed for shopping agents, and the feed: published products only.",
)
