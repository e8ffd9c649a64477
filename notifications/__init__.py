"""Telling people what happened: in the page, by mail, by webhooks."""
