"""What is kept of a training against a kill, and how it goes on."""
