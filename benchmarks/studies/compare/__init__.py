"""Every way to search against the others, in one table and one picture."""
