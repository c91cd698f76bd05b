"""Joint entity and relation extraction for spaCy."""

from .about import __version__
from .annotations import (
    Relation,
    concat_docs,
    entity_group,
    register_extension,
    span_as_doc,
)
from .trust import trust_remote_code

__all__ = [
    "Relation",
    "__version__",
    "concat_docs",
    "entity_group",
    "register_extension",
    "span_as_doc",
    "trust_remote_code",
]
