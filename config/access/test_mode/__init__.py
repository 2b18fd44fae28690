"""Test keys: their requests are rolled back."""
