"""What the losses are: one class a loss, no loops over memory, no framework."""
