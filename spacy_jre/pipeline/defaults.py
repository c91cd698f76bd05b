"""The default model of the component, and the weights of its scores."""

from typing import Any

# name of the component's factory
FACTORY = "jre"

# spaCy's small encoder, for CPUs and for languages without a transformer
TOK2VEC: dict[str, Any] = {
    "@architectures": "spacy.HashEmbedCNN.v2",
    "pretrained_vectors": None,
    "width": 96,
    "depth": 4,
    "embed_size": 2000,
    "window_size": 1,
    "maxout_pieces": 3,
    "subword_features": True,
}
DEFAULT_MODEL: dict[str, Any] = {
    "@architectures": "spacy-jre.SpERT.v1",
    "width_embedding": 25,
    "dropout": 0.1,
    "pooling": None,
    "mixed_precision": False,
    "tok2vec": TOK2VEC,
}

SCORES = {
    "ents_f": 0.0,
    "ents_p": None,
    "ents_r": None,
    "ents_per_type": None,
    "rel_f": 0.0,
    "rel_p": None,
    "rel_r": None,
    "rel_per_type": None,
    "rel_strict_f": 1.0,
    "rel_strict_p": None,
    "rel_strict_r": None,
    "rel_strict_per_type": None,
    "ents_macro_f": None,
    "rel_macro_f": None,
    "rel_strict_macro_f": None,
}
