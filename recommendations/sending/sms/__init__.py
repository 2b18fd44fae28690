"""SMS of China: delivery reports, replies that unsubscribe, the hours of the day, and the parts of a message."""
