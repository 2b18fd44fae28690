"""Which customers a message influences most, and the next best action for each customer."""
