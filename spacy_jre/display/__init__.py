"""Visualize relations on an HTML page or with displaCy. No model required."""

from .arcs import displacy_relations
from .evaluation import evaluation_page
from .page import render_page, write_page

__all__ = ["displacy_relations", "evaluation_page", "render_page", "write_page"]
