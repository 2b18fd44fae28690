"""Records the consents that events report: answers to the site's consent banner, and email unsubscribes."""
