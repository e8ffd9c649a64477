"""What the machines' benchmarks share."""
