"""What the privacy policy and the records of processing read from the settings of the apps."""
