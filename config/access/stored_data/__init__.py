"""What is registered about the stored data of this app: how long it is kept, and which columns are encrypted or hashed with a key."""
