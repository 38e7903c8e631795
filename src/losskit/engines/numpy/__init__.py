"""The reference engine: rules on float64 arrays, a few passes, obviously right."""
