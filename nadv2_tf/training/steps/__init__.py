"""What a training step does, on each backend."""
