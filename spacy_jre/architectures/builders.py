"""The registered architectures: each creates a model from a config block."""

from functools import partial
from typing import Any, Literal

from spacy.tokens import Doc
from thinc.api import Model

from ..networks.iser import ISER
from ..networks.lainet import LAINet
from ..networks.sinet import SINET
from ..networks.spert import SpERT
from ..networks.stsn import STSN
from ..types import JointScores
from .bridge import joint_model
from .lainet import lainet_model


def build_spert_v1(
    tok2vec: Model[Any, Any],
    width_embedding: int = 25,
    dropout: float = 0.1,
    pooling: Literal["max"] | None = None,
    mixed_precision: bool = False,
    recurrent: Literal["shared", "per_task"] | None = None,
    relation_hidden: int = 0,
    start_end: bool = False,
) -> Model[tuple[list[Doc], int], JointScores]:
    """spacy-jre.SpERT.v1: see ``networks/spert.py`` for the settings.

    tok2vec (Model): The encoder: spacy-jre.TransformerEncoder.v1,
        spacy-jre.SharedTransformer.v1, or any spaCy Tok2Vec or Tok2VecListener.
    mixed_precision (bool): Run the network in half precision: float16 on CUDA, bfloat16
        on the CPU.
    """
    network = partial(
        SpERT,
        width_embedding=width_embedding,
        dropout=dropout,
        pooling=pooling,
        recurrent=recurrent,
        relation_hidden=relation_hidden,
        start_end=start_end,
    )
    return joint_model(tok2vec, network, mixed_precision=mixed_precision)


def build_sinet_v1(
    tok2vec: Model[Any, Any],
    width_embedding: int = 100,
    dropout: float = 0.1,
    attention_dropout: float = 0.2,
    n_heads: int = 4,
    n_layers: int = 1,
    norm: bool = True,
    agent: Literal["cls", "max", "mean"] = "cls",
    span_pooling: Literal["max", "sum", "mean"] = "max",
    context_pooling: Literal["max", "sum", "mean"] = "max",
    interaction: Literal["none", "tap", "ctam_ner", "ctam_re", "full"] = "full",
    pooling: Literal["max"] | None = None,
    mixed_precision: bool = False,
    recurrent: Literal["shared", "per_task"] | None = None,
    relation_hidden: int = 0,
    start_end: bool = False,
) -> Model[tuple[list[Doc], int], JointScores]:
    """spacy-jre.SINET.v1: see ``networks/sinet.py`` for the settings.

    tok2vec (Model): The encoder, as for spacy-jre.SpERT.v1.
    mixed_precision (bool): Run the network in half precision: float16 on CUDA, bfloat16
        on the CPU.
    """
    network = partial(
        SINET,
        width_embedding=width_embedding,
        dropout=dropout,
        attention_dropout=attention_dropout,
        n_heads=n_heads,
        n_layers=n_layers,
        norm=norm,
        agent=agent,
        span_pooling=span_pooling,
        context_pooling=context_pooling,
        interaction=interaction,
        pooling=pooling,
        recurrent=recurrent,
        relation_hidden=relation_hidden,
        start_end=start_end,
    )
    return joint_model(tok2vec, network, mixed_precision=mixed_precision)


def build_stsn_v1(
    tok2vec: Model[Any, Any],
    width_embedding: int = 150,
    dropout: float = 0.1,
    attention_dropout: float = 0.1,
    n_heads: int = 8,
    n_layers: int = 3,
    interaction: Literal["full", "ner_to_re", "re_to_ner", "none"] = "full",
    relation_loss: Literal["mean", "sum"] = "mean",
    mixed_precision: bool = False,
    recurrent: Literal["shared", "per_task"] | None = None,
    relation_hidden: int = 0,
) -> Model[tuple[list[Doc], int], JointScores]:
    """spacy-jre.STSN.v1: see ``networks/stsn.py`` for the settings.

    tok2vec (Model): The encoder, as for spacy-jre.SpERT.v1.
    mixed_precision (bool): Run the network in half precision: float16 on CUDA, bfloat16
        on the CPU.
    """
    network = partial(
        STSN,
        width_embedding=width_embedding,
        dropout=dropout,
        attention_dropout=attention_dropout,
        n_heads=n_heads,
        n_layers=n_layers,
        interaction=interaction,
        relation_loss=relation_loss,
        recurrent=recurrent,
        relation_hidden=relation_hidden,
    )
    return joint_model(
        tok2vec, network, mixed_precision=mixed_precision, learns_tags=n_layers > 0
    )


def build_iser_v1(
    tok2vec: Model[Any, Any],
    width_embedding: int = 25,
    dropout: float = 0.1,
    n_heads: int = 8,
    fusion: bool = True,
    global_context: Literal["sea", "gru", "cls"] = "sea",
    local_context: Literal[
        "max", "attention", "raw", "cls", "global", "global_raw"
    ] = "max",
    span_memory: int = 1024,
    pooling: Literal["max"] | None = None,
    mixed_precision: bool = False,
    recurrent: Literal["shared", "per_task"] | None = None,
    relation_hidden: int = 0,
    start_end: bool = False,
    max_context: int = 128,
) -> Model[tuple[list[Doc], int], JointScores]:
    """spacy-jre.ISER.v1: see ``networks/iser.py`` for the settings.

    tok2vec (Model): The encoder, as for spacy-jre.SpERT.v1.
    mixed_precision (bool): Run the network in half precision: float16 on CUDA, bfloat16
        on the CPU.
    """
    network = partial(
        ISER,
        width_embedding=width_embedding,
        dropout=dropout,
        n_heads=n_heads,
        fusion=fusion,
        global_context=global_context,
        local_context=local_context,
        span_memory=span_memory,
        pooling=pooling,
        recurrent=recurrent,
        relation_hidden=relation_hidden,
        start_end=start_end,
        max_context=max_context,
    )
    return joint_model(tok2vec, network, mixed_precision=mixed_precision)


def build_lainet_v1(
    tok2vec: Model[Any, Any],
    annotations: dict[str, str] = {},  # noqa: B006  (spaCy's schema wants a dict)
    max_length: int = 150,
    max_candidates: int = 220,
    shared_encoder: bool = False,
    cold_start: int = 1000,
    annotate: bool = True,
    mask: Literal["invisible", "visible", "full"] = "invisible",
    text_sees_markers: bool = True,
    markers_see: Literal["all", "pair"] = "all",
    filter: bool = True,
    filter_threshold: float = 0.5,
    filter_weight: float = 1.0,
    entity_layers: int = 2,
    entity_heads: int = 4,
    relation_layers: int = 2,
    relation_heads: int = 2,
    dropout: float = 0.1,
    graph_dropout: float = 0.1,
    agreement: Literal["both", "mean", "forward", "threshold"] = "both",
) -> Model[tuple[list[Doc], int], JointScores]:
    """spacy-jre.LAINet.v1: see ``networks/lainet.py`` for the other settings.

    tok2vec (Model): Must be spacy-jre.TransformerEncoder.v1, because LAI-Net changes
        the input of the transformer.
    annotations (dict[str, str]): The meaning of each label in a few words (at most ten
        in the paper). A label without an entry is split into its words.
    max_length (int): Maximum number of tokens per transformer input, markers excluded.
    max_candidates (int): Maximum number of spans that are marked in one pass. A window
        with more spans takes several passes.
    shared_encoder (bool): Whether both stages share one transformer instead of two.
    cold_start (int): Number of updates in which only gold spans are classified. The
        unit is updates, because a component does not know the epoch. The number of
        updates so far is saved with the pipeline.
    """
    network = partial(
        LAINet,
        cold_start=cold_start,
        annotate=annotate,
        mask=mask,
        text_sees_markers=text_sees_markers,
        markers_see=markers_see,
        filter=filter,
        filter_threshold=filter_threshold,
        filter_weight=filter_weight,
        entity_layers=entity_layers,
        entity_heads=entity_heads,
        relation_layers=relation_layers,
        relation_heads=relation_heads,
        dropout=dropout,
        graph_dropout=graph_dropout,
        agreement=agreement,
    )
    return lainet_model(
        tok2vec,
        network,
        max_length=max_length,
        max_candidates=max_candidates,
        shared_encoder=shared_encoder,
        annotations=annotations if annotate else None,
    )
