"""Users, projects and roles, login tokens, audit events."""
