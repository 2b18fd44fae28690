"""The kinds of data that can be imported: one module each, and one line in the registry."""
