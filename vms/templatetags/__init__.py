"""Template tags of virtual machines."""
