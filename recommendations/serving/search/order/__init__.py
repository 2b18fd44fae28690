"""How popularity and taste order products that match a query equally well, and how clicks change it."""
