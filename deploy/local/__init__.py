"""``make run`` and ``make test``: set up everything on one machine, and start it."""
