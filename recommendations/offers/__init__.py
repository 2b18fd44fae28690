"""On-site offers: which visitors see what at a placement on the shop's pages, decided when a page asks."""
