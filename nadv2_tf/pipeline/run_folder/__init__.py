"""The folder of a run: its files, and what stands in them."""
