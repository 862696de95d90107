"""How long a run will take, how much memory and disk, before it is made."""
