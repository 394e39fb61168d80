"""A few of the studies: one of each kind, and those that the stage `evaluate` needs."""

DIGITS = ("pixel_similarity", "mnist_linear", "mnist_net", "mnist_resnet", "mnist_ladder")
FEW = ("planck", "learning_rate", "huber", *DIGITS)
