"""The pages of consoles, and of what is about one."""
