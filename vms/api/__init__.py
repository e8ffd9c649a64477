"""The REST API of virtual machines."""
