"""Groundwork measured beside what one would use instead, on the same work. `make bench` writes docs/performance.md."""
