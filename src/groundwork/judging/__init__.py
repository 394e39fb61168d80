"""What the sources say, held against the runs: claims and printed values."""
