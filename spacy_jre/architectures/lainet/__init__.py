"""LAI-Net's encoder: the input of its transformers, and the thinc model."""

from .model import lainet_model

__all__ = ["lainet_model"]
