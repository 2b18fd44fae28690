"""Decisions that a program makes about a person, explained: each app that decides registers how."""
