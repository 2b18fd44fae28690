"""The lines of a customer's portrait: who they are, what they like, how they buy and respond; each with its source and age."""

from customers.lifecycle.portrait.portrait import CustomerPortrait, build_portrait

__all__ = ["CustomerPortrait", "build_portrait"]
