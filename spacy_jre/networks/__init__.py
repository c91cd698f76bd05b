"""The networks, one paper per file. They use tensors only, not spaCy or thinc."""
