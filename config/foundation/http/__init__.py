"""What the fast paths and Django share about HTTP: addresses of clients, and responses that are sent later."""
