"""Past campaigns that other systems sent without a holdout group: what can be concluded from them, and what cannot."""
