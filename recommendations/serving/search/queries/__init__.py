"""What shoppers mean: built-in synonyms, and prices in words."""
