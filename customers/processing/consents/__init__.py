"""What events say about consents: answers to the banner of the site, and unsubscribes of emails."""
