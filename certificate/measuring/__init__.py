"""Answers of the engines against textbook definitions: one file for each way a loss has of being evaluated."""
