"""The search index: the words and attributes of the products as arrays that all workers share."""
