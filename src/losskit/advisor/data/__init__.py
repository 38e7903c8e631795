"""A data set as a target and features, and the task that the target poses."""
