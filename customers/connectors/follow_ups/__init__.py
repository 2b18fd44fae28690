"""What is computed after the history of a shop is imported: profiles, then recommendations."""
