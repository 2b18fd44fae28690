"""How likely it is that a customer leaves, buys, or answers: features, labels, models that compete, reasons, quality."""
