"""The pages about all studies."""
