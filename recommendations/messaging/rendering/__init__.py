"""Renders templates: MJML is compiled once per version and language, a recipient costs one substitution."""

from recommendations.messaging.rendering.choosing import choose
from recommendations.messaging.rendering.compiled_template import CompiledTemplate, RenderedMessage, get_compiled
from recommendations.messaging.substitution.choices import MessageChoices
from recommendations.messaging.substitution.links import LinkBuilder, PreviewLinks
from recommendations.messaging.substitution.recipients import Recipient, load_recipients

__all__ = [
    "CompiledTemplate",
    "LinkBuilder",
    "MessageChoices",
    "PreviewLinks",
    "Recipient",
    "RenderedMessage",
    "choose",
    "get_compiled",
    "load_recipients",
]
