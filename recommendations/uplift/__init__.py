"""For whom a message causes the most, and what to do next for each customer."""
