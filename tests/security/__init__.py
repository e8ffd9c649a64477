"""What a hostile person, page, host or network tries, against Eve's own processes."""
