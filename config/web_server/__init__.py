"""The web server: Granian receives requests without holding a thread, and a bounded number of threads run the WSGI application."""
