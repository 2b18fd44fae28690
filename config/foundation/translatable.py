"""Marks texts for translation where Django may not be imported."""


def translatable(text: str) -> str:
    """Return the text unchanged; `config.translations` extracts it, and the page that displays it translates it."""
    return text
