"""Sentences and tables of comparisons, which the pages of campaigns, flows and experiments share."""
