"""How many orders and people support a pair of products: what a reason may say about other customers."""
