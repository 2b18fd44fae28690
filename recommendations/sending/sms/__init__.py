"""SMS in China: delivery reports, replies that unsubscribe, legal sending hours, and the parts of a message."""
