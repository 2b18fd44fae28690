"""Registers facts about this app's stored data, such as how long it is kept and which columns are encrypted or hashed with a key."""
