"""The base of every page of the back office: areas, the registry of pages, the page layout, date ranges and search."""
