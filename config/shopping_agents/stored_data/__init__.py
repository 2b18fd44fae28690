"""Where this app stores what."""
