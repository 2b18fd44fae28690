"""The lines of a customer's portrait: who they are, what they like, how they buy and respond; each with its source and age."""

from customers.lifecycle.portrait.portrait import PortraitLines, portrait_lines

__all__ = ["PortraitLines", "portrait_lines"]
