"""Listen to a `transformer` component that other components share.

spacy-transformers is an optional dependency: the extra ``shared``. This module is the
only one that imports it.
"""

from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import Any

from spacy.tokens import Doc, Span
from thinc.api import Model

from ..annotations.sentences import sentence_ranges
from ..errors import Errors, JREError

# The classes of spacy-transformers, for isinstance. Empty if it is not installed: then
# no object of these classes can exist.
LISTENERS: tuple[type, ...] = ()
MODELS: tuple[type, ...] = ()
OUTPUTS: tuple[type, ...] = ()
SHIMS: tuple[type, ...] = ()
# spaCy imports an installed spacy-transformers itself, for every pipeline
if find_spec("spacy_transformers") is not None:
    from spacy_transformers.data_classes import TransformerData
    from spacy_transformers.layers import TransformerListener, TransformerModel
    from spacy_transformers.layers.hf_shim import HFShim

    LISTENERS = (TransformerListener,)
    MODELS = (TransformerModel,)
    OUTPUTS = (TransformerData,)
    SHIMS = (HFShim,)


def build_shared_transformer_v1(upstream: str = "*") -> Model[list[Doc], list[Any]]:
    """spacy-jre.SharedTransformer.v1: listen to a `transformer` before this component.

    The listener is the only node of the model, because nlp.replace_listeners replaces
    exactly this node. The registered name does not contain "TransformerListener",
    because spacy-transformers rewrites blocks with such names to an architecture that
    would not load here.

    upstream (str): Name of the upstream component, or "*" for any.
    RAISES (JREError): J326 if spacy-transformers is not installed.
    """
    if not LISTENERS:
        raise JREError(Errors.J326)
    from spacy_transformers.pipeline_component import install_extensions

    # A listener reads doc._.trf_data. Without this call, only a `transformer` registers
    # the extension.
    install_extensions()
    return LISTENERS[0](upstream_name=upstream)


def split_batches() -> Model[Any, list[Any]]:
    """RETURNS (Model): Splits the output of a TransformerModel into one part per Doc,
    as a listener returns it."""
    from spacy_transformers.layers import split_trf_batch

    return split_trf_batch()


def create_sentence_windows_v1() -> Callable[[Iterable[Doc]], list[list[Span]]]:
    """spacy-jre.sentence_windows.v1: span getter of a shared transformer.

    A window is a sentence, or the Doc if no sentence boundaries are set. No span is
    empty, because spacy-transformers fails on empty spans.
    """
    return get_sentence_spans


def get_sentence_spans(docs: Iterable[Doc]) -> list[list[Span]]:
    """RETURNS (list[list[Span]]): The windows of each Doc. An empty Doc has none."""
    return [[doc[start:end] for start, end in sentence_ranges(doc)] for doc in docs]
