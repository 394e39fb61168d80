"""The data: one file a dataset family."""
