"""Scores of entities and relations. Needs no model."""
