"""Consoles in the REST API."""
