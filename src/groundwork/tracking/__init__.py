"""MLflow as a projection of data/runs."""
