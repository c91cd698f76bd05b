"""Thinc models: encoders, the bridge to torch and the registered architectures."""
