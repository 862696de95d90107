"""Names that a super-network and its stand-alone networks share, so that weights find their way."""


def layer_name(block_index: int, field: str) -> str:
  """Keras layer name of one layer: block numbers count from 1, as in the paper's tables."""
  return f"block{block_index + 1:02d}_{field}"
