"""An FPGA's file for a network of two layers."""


def write_fpga(folder):
  """An FPGA that has a multiplier for each of the two layers of such a network, and no more."""
  path = folder / "fpga.json"
  path.write_text(
    '{"name": "two", "dsp": 2, "bram36": 9, "lut": 9, "clock_mhz": 1, "macs_per_dsp": 1}'
  )
  return path
