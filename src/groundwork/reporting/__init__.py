"""Tables, figures and pages, made from data/runs without torch."""
