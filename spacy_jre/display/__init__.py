"""Visualize relations with displaCy or on an HTML page. No model required."""

from .arcs import displacy_relations
from .page import render_page, render_relations, render_table

__all__ = ["displacy_relations", "render_page", "render_relations", "render_table"]
