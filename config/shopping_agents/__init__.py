"""The public catalog for shopping agents: a product feed, and the catalog of the Universal Commerce Protocol."""
