"""The search index: words and attributes of products as arrays that all workers share."""
