"""Which loss to train with, by measuring: the trial, its evidence, its answer and its picture."""
