"""What is registered about the stored data of this app: personal data, and how long it is kept."""
