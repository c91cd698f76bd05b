"""The adapter that converts the output of any encoder to units.

The adapter is not part of the config block ``model.tok2vec``, because
``nlp.replace_listeners`` replaces this block and the encoder node, and a saved pipeline
loads only if both match. So the adapter checks the type of the output in each call.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from spacy.pipeline.tok2vec import Tok2VecListener
from spacy.tokens import Doc
from thinc.api import Model, Ops, chain

from ..annotations.sentences import WindowKind
from ..errors import Errors, JREError
from ..types import Encoded, EncodedGradient
from . import shared
from .hf_encoder import TransformerSettings
from .shared_units import encode_shared
from .transformer import backprop_mean, mean_per_window
from .windows import ATTRIBUTE, SENTENCES, WindowSettings, windows_of

# maximum number of tokens of a window of several sentences, if the encoder has no
# limit: the attention of some networks is quadratic in the window
MAX_TOKENS = 512


def with_units(tok2vec: Model[Any, Any]) -> Model[list[Doc], Encoded]:
    """Add the adapter to an encoder.

    tok2vec (Model): Our transformer, a listener, a TransformerModel of
        spacy-transformers, or any model that returns one vector per token.
    RETURNS (Model): Returns units, sentence vectors and windows for a batch of Docs.
    """
    if isinstance(tok2vec, shared.MODELS):
        # the encoder is a TransformerModel after nlp.replace_listeners
        tok2vec = chain(tok2vec, shared.split_batches())
    return Model(
        "jre-units",
        forward,
        init=init,
        layers=[tok2vec],
        attrs={ATTRIBUTE: SENTENCES},
    )


def init(model: Model[Any, Any], X: Any = None, Y: Any = None) -> None:
    model.layers[0].initialize(X=X)


def forward(
    model: Model[list[Doc], Encoded], docs: list[Doc], is_train: bool
) -> tuple[Encoded, Callable[[EncodedGradient], Any]]:
    tok2vec = model.layers[0]
    outputs, backprop = tok2vec(docs, is_train)
    if isinstance(outputs, Encoded):
        return outputs, backprop
    xp = model.ops.xp
    if not isinstance(outputs, (list, tuple)) or len(outputs) != len(docs):
        raise JREError(Errors.J303.format(kind=type(outputs).__name__))
    if outputs and all(isinstance(output, shared.OUTPUTS) for output in outputs):
        return encode_shared(xp, docs, outputs, backprop)
    for output in outputs:
        if getattr(output, "ndim", None) != 2:
            raise JREError(Errors.J303.format(kind=f"a {type(output).__name__}"))
    return _from_tokens(model.ops, docs, outputs, backprop, windows_of(model))


def count_missing_upstream(
    model: Model[Any, Any], docs: Sequence[Doc]
) -> tuple[int, str]:
    """Count the Docs that the upstream component of a listener has not processed.

    A listener silently returns zeros for these Docs, so this is checked before
    prediction.

    RETURNS (tuple[int, str]): The number of Docs with tokens but without upstream
        output, and the name of the upstream component.
    """
    for node in listeners_of(model):
        if isinstance(node, shared.LISTENERS):
            missing = [d for d in docs if len(d) and d._.trf_data is None]
            return len(missing), _upstream_name(node, "transformer")
        missing = [d for d in docs if len(d) and d.tensor.size == 0]
        return len(missing), _upstream_name(node, "tok2vec")
    return 0, ""


def find_problem(model: Model[Any, Any], kind: WindowKind) -> tuple[str, str] | None:
    """Check whether the encoder of a component can create windows.

    model (Model): The model of the component.
    kind (str | int): "sentence", "doc" or a number of sentences.
    RETURNS (tuple[str, str] | None): What does not create these windows, and what to
        do instead.
    """
    if kind == "sentence":
        return None
    for node in model.walk():
        if isinstance(node, (*shared.LISTENERS, *shared.MODELS)):
            return (
                "a shared transformer, whose windows are those of its own get_spans",
                'Set get_spans of the `transformer`, and windows = "sentence".',
            )
        settings = node.attrs.get("settings")
        if isinstance(settings, TransformerSettings) and settings.context_pieces:
            return (
                "context_pieces, which adds text around single sentences",
                "Set context_pieces to 0.",
            )
    return None


def waits_for_upstream(model: Model[Any, Any]) -> bool:
    """Check whether a listener has no upstream batch for this update."""
    return any(node._batch_id is None for node in listeners_of(model))


def listeners_of(model: Model[Any, Any]) -> list[Any]:
    """RETURNS (list): The nodes that listen to an upstream component."""
    kinds = (Tok2VecListener, *shared.LISTENERS)
    return [node for node in model.walk() if isinstance(node, kinds)]


def _upstream_name(node: Any, default: str) -> str:
    return default if node.upstream_name == "*" else node.upstream_name


# one vector per token ---------------------------------------------------------------


def _from_tokens(
    ops: Ops,
    docs: Sequence[Doc],
    vectors: Sequence[Any],
    backprop: Callable[..., Any],
    settings: WindowSettings,
) -> tuple[Encoded, Callable[[EncodedGradient], Any]]:
    xp = ops.xp
    windows = settings.make(docs)
    if settings.overlap:
        sizes = np.ones(windows.n_tokens, dtype=np.int64)
        windows = settings.divide(windows, sizes, MAX_TOKENS)
    # for a Doc without tokens, the output of spacy-transformers has no width
    nonempty = [v for v in vectors if len(v)]
    if nonempty:
        units = xp.concatenate([xp.asarray(v, dtype="float32") for v in nonempty])
    else:
        width = max((v.shape[1] for v in vectors), default=0)
        units = xp.zeros((0, width), dtype="float32")
    n_tokens = len(units)
    rows = None
    if windows.overlap:
        rows = xp.asarray(windows.rows(list(map(len, docs))))
        units = units[rows]
    counts = windows.counts
    numbers = np.arange(windows.n_tokens, dtype=np.int64)
    encoded = Encoded(
        windows=windows,
        units=units,
        sentence=mean_per_window(ops, units, counts),
        unit_counts=counts,
        token_units=np.stack([numbers, numbers + 1], 1),
    )

    def backprop_tokens(gradient: EncodedGradient) -> Any:
        d_units = gradient.units + backprop_mean(ops, gradient.sentence, counts)
        if rows is not None:
            d_windows = d_units
            d_units = ops.alloc2f(n_tokens, d_windows.shape[1])
            ops.scatter_add(d_units, rows, d_windows)
        ends = np.cumsum([len(doc) for doc in docs])
        return backprop(
            [d_units[e - len(doc) : e] for doc, e in zip(docs, ends, strict=True)]
        )

    return encoded, backprop_tokens
