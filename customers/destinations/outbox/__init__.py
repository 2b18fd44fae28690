"""What is collected for destinations and sent to them: by position, in batches that survive a killed process."""
