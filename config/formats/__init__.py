"""Number and date formats of languages where Django's own differ from what readers expect."""
