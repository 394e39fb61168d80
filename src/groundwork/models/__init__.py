"""The models, from scratch: plain tensors with the replicate as first axis."""
