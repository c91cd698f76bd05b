"""Thinc: encoders, the one bridge to torch, and the registered builders."""
