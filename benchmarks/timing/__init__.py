"""Timing of one file: settings, devices, records."""
