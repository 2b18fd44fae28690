"""The product feed of the Agentic Commerce Protocol."""
