"""Groundwork: the first experiments of deep learning as a reproducible DVC + MLflow + PyTorch pipeline."""
