"""Torch bricks: tensors in, tensors out. No spaCy, no thinc, no file access."""
