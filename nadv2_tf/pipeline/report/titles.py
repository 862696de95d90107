"""How the networks and targets of a run are called in its tables and on its page."""

TITLES = {
  "original": "network as given",
  "full": "full network",
  "found": "found network",
  "uniform": "uniformly scaled",
}


def kind_of(name: str) -> str:
  """ "found" of "found" and of "target_30/found"."""
  return name.rpartition("/")[2]


def target_title(folder: str) -> str:
  """ "target 30%" of "target_30pct"."""
  return folder.replace("_", " ").replace("pct", "%")


def network_title(name: str) -> str:
  """The title of a network, with its target if there are several."""
  folder, _, kind = name.rpartition("/")
  title = TITLES.get(kind, kind)
  return f"{title}, {target_title(folder)}" if folder else title


def network_noun(name: str) -> str:
  """The title of a network as a sentence has it."""
  return network_title(name).replace(TITLES["uniform"], "uniformly scaled network", 1)
