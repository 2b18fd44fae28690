"""From data to a model that serves: extract, fit, evaluate, promote, roll back."""
