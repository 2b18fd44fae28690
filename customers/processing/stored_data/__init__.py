"""Registers this app's stored data: which of it is personal, how long it is kept, and which columns are encrypted or hashed."""
