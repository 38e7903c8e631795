"""Which loss, from the data alone: measure the target, examine it by numbered checks, rank the losses by their points."""
