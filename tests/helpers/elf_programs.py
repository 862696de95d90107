"""Programs for tests, as far as their first bytes."""

SCRIPT = b"#!/bin/sh\necho fake\n"


def elf(machine, bits=64, order="little"):
  """The first 20 bytes of an ELF program, and a few more."""
  start = b"\x7fELF" + bytes([bits // 32, 1 if order == "little" else 2]) + bytes(10)
  return start + (2).to_bytes(2, order) + machine.to_bytes(2, order) + b"program"
