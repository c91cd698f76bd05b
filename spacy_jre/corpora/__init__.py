"""One reader per format: path in, records out; and spaCy's corpus reader."""
