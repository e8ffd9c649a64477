"""The pages of notifications and webhooks."""
