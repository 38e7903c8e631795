"""What all tests share: one thread a worker for the libraries that would take all cores each."""

import os

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # before torch is imported; pytest -n has a worker for each core
