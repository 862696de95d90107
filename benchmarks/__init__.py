"""Timing on the machine a network will run on, and the project's own speed studies."""
