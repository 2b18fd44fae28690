"""A plausible storefront history around baskets that were really bought, for demonstrations: simulated, and marked so."""
