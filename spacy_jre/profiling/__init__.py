"""What a pipeline costs: parameters, operations, memory and time."""

from .report import Profile, profile

__all__ = ["Profile", "profile"]
