"""The REST API of operations."""
