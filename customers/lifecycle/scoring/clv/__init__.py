"""Customer lifetime value from purchase models fitted to past orders.

They predict when and how much each customer will buy.
"""
