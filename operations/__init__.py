"""Long work: operations, their dispatch and recovery."""
