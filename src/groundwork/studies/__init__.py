"""One file a study: its question, what it compares, how it is drawn, what it claims, what it answers."""
