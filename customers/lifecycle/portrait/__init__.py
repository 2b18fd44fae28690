"""The lines of a customer's portrait, each with its source and age.

They say who the customer is, what they like, and how they buy and respond.
"""

from customers.lifecycle.portrait.portrait import CustomerPortrait, build_portrait

__all__ = ["CustomerPortrait", "build_portrait"]
