"""Model training: extract the data, tune, evaluate, promote and roll back."""
