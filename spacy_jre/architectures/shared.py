"""Listening to a `transformer` component that other components share."""

from collections.abc import Callable, Iterable

from spacy.tokens import Doc, Span
from spacy_transformers.data_classes import TransformerData
from spacy_transformers.layers import TransformerListener
from spacy_transformers.pipeline_component import install_extensions
from thinc.api import Model

from ..annotations.sentences import sentence_ranges


def build_shared_transformer_v1(
    upstream: str = "*",
) -> Model[list[Doc], list[TransformerData]]:
    """spacy-jre.SharedTransformer.v1: listen to a `transformer` before this component.

    A bare listener: nlp.replace_listeners swaps exactly this node. Its registered
    name has no "TransformerListener" in it, because spacy-transformers rewrites
    blocks of such names to an architecture that would not load here.

    upstream (str): Name of the upstream component, or "*" for any.
    """
    # a listener reads doc._.trf_data, which only a `transformer` registers otherwise
    install_extensions()
    return TransformerListener(upstream_name=upstream)


def create_sentence_windows_v1() -> Callable[[Iterable[Doc]], list[list[Span]]]:
    """spacy-jre.sentence_windows.v1: span getter of a shared transformer.

    Sentences where boundaries are set, else the whole Doc; never an empty span, on
    which spacy-transformers fails.
    """
    return get_sentence_spans


def get_sentence_spans(docs: Iterable[Doc]) -> list[list[Span]]:
    """RETURNS (list[list[Span]]): The windows of each Doc; none for an empty Doc."""
    return [[doc[start:end] for start, end in sentence_ranges(doc)] for doc in docs]
