"""The kinds of destinations: one file each, all with the same interface."""
