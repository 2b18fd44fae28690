"""Search of the products: typed words to a page of products, filtered, counted by facets and ordered for whoever is looking."""
