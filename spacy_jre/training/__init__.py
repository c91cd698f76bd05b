"""Targets, sampling and the optimizer."""
