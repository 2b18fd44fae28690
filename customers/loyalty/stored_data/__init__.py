"""What is registered about the stored data of this app: whose it is, and how long it is kept."""
