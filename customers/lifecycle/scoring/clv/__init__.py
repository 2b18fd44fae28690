"""Customer lifetime value: purchase models of when and how much each customer will buy, fitted to past orders."""
