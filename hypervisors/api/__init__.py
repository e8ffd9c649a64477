"""Hypervisors in the REST API."""
