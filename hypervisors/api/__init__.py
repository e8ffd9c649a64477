"""The REST API of sites and hypervisors, and the one address that hosts call."""
