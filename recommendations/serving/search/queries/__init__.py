"""What shoppers mean: built-in synonyms, prices in words, and the queries of the shop."""
