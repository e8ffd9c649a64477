"""Console tickets, live sessions, the relay and its consumer, console pages."""
