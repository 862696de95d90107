"""Latency tables: what is measured for them, how, and what they say of whole networks."""
