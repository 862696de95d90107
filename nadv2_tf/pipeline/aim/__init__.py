"""What a run searches for: metric, targets and limits, and how found networks are held to them."""
