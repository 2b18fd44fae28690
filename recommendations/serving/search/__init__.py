"""Product search: from a query to a filtered, faceted and personalized page of products."""
