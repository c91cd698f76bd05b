"""Torch modules and functions on tensors. No spaCy, no thinc, no file access."""
