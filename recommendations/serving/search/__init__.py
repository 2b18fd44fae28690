"""Product search: from a typed query to a filtered, faceted and personalized page of products."""
