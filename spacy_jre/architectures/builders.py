"""The registered architectures: from a config block to a model."""

from functools import partial
from typing import Literal

from spacy.tokens import Doc
from thinc.api import Model

from ..networks.sinet import SINET
from ..networks.spert import SpERT
from ..types import JointScores
from .bridge import joint_model


def build_spert_v1(
    tok2vec: Model,
    width_embedding: int = 25,
    dropout: float = 0.1,
    pooling: Literal["max"] | None = None,
    mixed_precision: bool = False,
) -> Model[list[Doc], JointScores]:
    """spacy-jre.SpERT.v1: see ``networks/spert.py`` for the settings.

    tok2vec (Model): The encoder, bare: spacy-jre.TransformerEncoder.v1,
        spacy-jre.SharedTransformer.v1, or any spaCy Tok2Vec or its listener.
    """
    network = partial(
        SpERT, width_embedding=width_embedding, dropout=dropout, pooling=pooling
    )
    return joint_model(tok2vec, network, mixed_precision=mixed_precision)


def build_sinet_v1(
    tok2vec: Model,
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
) -> Model[list[Doc], JointScores]:
    """spacy-jre.SINET.v1: see ``networks/sinet.py`` for the settings.

    tok2vec (Model): The encoder, bare, as for spacy-jre.SpERT.v1.
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
    )
    return joint_model(tok2vec, network, mixed_precision=mixed_precision)
