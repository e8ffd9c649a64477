"""What surrounds Eve: how it is set up, started and put on hosts."""
