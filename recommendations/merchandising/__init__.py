"""What the merchandiser decides over the head of any model: pin, boost, bury, hide, only, for whom, where and when."""
