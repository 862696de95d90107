"""A program passes for the ABI that it was built for, and for no other."""

import pytest
from elf_programs import SCRIPT, elf

from nadv2_tf.benchmarks.timing.devices import binary
from nadv2_tf.benchmarks.timing.errors import BinaryError

MACHINES = {
  "arm64-v8a": (183, 64),
  "aarch64": (183, 64),
  "armeabi-v7a": (40, 32),
  "x86_64": (62, 64),
  "x86": (3, 32),
}


@pytest.mark.parametrize("abi", MACHINES)
@pytest.mark.parametrize("other", MACHINES)
def test_a_program_passes_for_its_own_abi_only(tmp_path, abi, other):
  path = tmp_path / "program"
  path.write_bytes(elf(*MACHINES[other]))
  if MACHINES[abi] == MACHINES[other]:
    binary.check_abi(path, abi)
  else:
    with pytest.raises(BinaryError, match=f"the device is {abi}:"):
      binary.check_abi(path, abi)


@pytest.mark.parametrize(
  "content",
  [
    elf(183, 32),  # the same machine with 32 bits
    elf(183, 64, "big"),
    elf(8),  # MIPS
    elf(183)[:19],
    b"\x7fELF",
    b"\x7fELF" + bytes(20),
    b"",
  ],
)
def test_a_strange_or_damaged_program_is_refused(tmp_path, content):
  path = tmp_path / "program"
  path.write_bytes(content)
  with pytest.raises(BinaryError):
    binary.check_abi(path, "arm64-v8a")


def test_a_script_passes_for_every_abi(tmp_path):
  path = tmp_path / "script"
  path.write_bytes(SCRIPT)
  for abi in (*MACHINES, "mips"):
    binary.check_abi(path, abi)


def test_a_program_for_an_abi_that_is_not_known_is_refused(tmp_path):
  path = tmp_path / "program"
  path.write_bytes(elf(183))
  with pytest.raises(BinaryError, match="one of arm64-v8a, .*, got 'mips'"):
    binary.check_abi(path, "mips")


def test_a_file_that_cannot_be_read_is_told(tmp_path):
  with pytest.raises(BinaryError, match="cannot be read"):
    binary.check_abi(tmp_path / "missing", "x86_64")
