"""One paper per file. Tensors in, tensors out; runs alone in a notebook."""
