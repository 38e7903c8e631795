"""The checks, one a file: R0 any data, R1 quantities, R2 classes, R3 masks, R4 embeddings."""
