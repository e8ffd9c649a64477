"""How what is told leaves Eve: no database here."""
