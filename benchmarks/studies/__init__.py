"""Studies that are run by hand; their results stand in benchmarks/results/."""
