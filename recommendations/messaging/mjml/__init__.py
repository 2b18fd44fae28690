"""MJML as text: a parser that knows the position of every part, the schema, and strict validation."""
