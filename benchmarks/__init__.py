"""Timing on the machine a network will run on, latency tables, and the project's own studies."""
