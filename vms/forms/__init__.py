"""Forms of pages, by whose they are. They check shapes; the services decide."""
