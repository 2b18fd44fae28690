"""The back office as a whole: its menu and its home page. Each package brings its own lists, forms and pages."""
