"""Visualize relations on an HTML page or with displaCy. No model required."""

from .arcs import displacy_relations
from .page import render_page

__all__ = ["displacy_relations", "render_page"]
