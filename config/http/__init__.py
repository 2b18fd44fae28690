"""What all responses have in common: HTTPS, security headers, compression, caching, and static files."""
