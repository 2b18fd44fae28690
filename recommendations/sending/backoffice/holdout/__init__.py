"""The page about the effects of marketing and recommendations."""
