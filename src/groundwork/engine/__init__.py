"""From-scratch training: batches, losses, optimisers, the learner, and how blocks of replicates are dealt out."""
