"""Readers and writers for annotation formats, and a corpus reader for training."""
