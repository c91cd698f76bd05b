"""LAI-Net's encoder: the text that its transformers read, and the thinc model."""

from .model import lainet_model

__all__ = ["lainet_model"]
