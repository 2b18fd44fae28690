"""Who may see and change what shopping agents get."""

VIEW = "shopping_agents.view_agentfeedsettings"
CHANGE = "shopping_agents.change_agentfeedsettings"
