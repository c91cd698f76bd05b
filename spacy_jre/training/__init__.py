"""From Examples to what a network learns from."""
