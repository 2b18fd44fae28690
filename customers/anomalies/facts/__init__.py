"""Daily facts: counts and sums by day and segment, read in one pass each."""
