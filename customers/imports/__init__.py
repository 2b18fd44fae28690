"""The import wizard: a file is matched to fields, checked, imported in the background, and can be undone."""
