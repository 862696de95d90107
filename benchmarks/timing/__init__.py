"""Timing of files: devices, records, and what can go wrong."""
