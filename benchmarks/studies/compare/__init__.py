"""NetAdaptV2 against the alternatives, in one table and one picture."""
