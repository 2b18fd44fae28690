"""The back office as a whole: its menu and its home page. Each room brings its own lists, forms and pages."""
