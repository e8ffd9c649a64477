"""The leaf that every app may import."""
