"""Accounts in the REST API."""
