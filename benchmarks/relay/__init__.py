"""The parts of the console relay's benchmark: a stub console, a client, the chains between them, and what is measured."""
