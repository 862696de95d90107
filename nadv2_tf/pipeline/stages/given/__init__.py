"""Networks that users bring: read, fitted to the data, trained on, handed back in their form."""
