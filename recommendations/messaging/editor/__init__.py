"""The block editor: blocks of a source, their fields, and the operations on them. The MJML stays the only source."""
