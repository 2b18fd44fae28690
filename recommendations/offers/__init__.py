"""On-site offers: what a placement of the shop's pages shows to whom, decided when a page asks."""
