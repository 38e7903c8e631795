"""How a loss comes to its number, step by step, read from its own rules."""
