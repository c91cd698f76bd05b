"""Pictures of triples for displaCy, and a page of them. Needs no model."""

from .arcs import displacy_relations
from .page import render_page, render_relations, render_table

__all__ = ["displacy_relations", "render_page", "render_relations", "render_table"]
