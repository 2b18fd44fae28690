"""Events from files: JSON Lines, and access logs of web servers, taken by the rules of the HTTP collector."""
