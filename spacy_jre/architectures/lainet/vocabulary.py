"""LAI-Net's markers and annotations in the vocabulary of a transformer."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ...errors import Errors, JREError
from ...types import Labels
from ..hf_encoder import HFEncoder
from .input import InputFormat, annotate

# model types that support a mask of shape (B, L, L) and explicit position IDs
FAMILIES = ("bert", "camembert", "electra", "roberta", "xlm-roberta")
# added if the vocabulary has no [unused...] pieces
MARKERS = ("[ENT]", "[/ENT]", "[SUBJ]", "[/SUBJ]", "[OBJ]", "[/OBJ]")


def check_family(encoder: Any) -> None:
    """Check that LAI-Net supports a transformer.

    encoder (Any): The transformer.
    RAISES (ValueError): J316 if it does not support LAI-Net's mask and positions.
    """
    config = encoder.config
    kind = getattr(config, "position_embedding_type", "absolute")
    if config.model_type not in FAMILIES or kind != "absolute":
        raise JREError(
            Errors.J316.format(
                name=config._name_or_path,
                family=f"{config.model_type}, {kind} positions",
                families=", ".join(FAMILIES),
            )
        )


def add_markers(encoder: Any, tokenizer: Any) -> list[int]:
    """Choose a piece for each marker and initialize its vector.

    The vectors of start markers are initialized with that of [MASK], the vectors of
    end markers with that of the piece "entity", as in the code of PL-Marker.

    RETURNS (list[int]): IDs of the start and end markers of entities, subjects (the
        solid markers) and objects.
    """
    vocabulary = tokenizer.get_vocab()
    unused = (f"[unused{number}]" for number in range(len(vocabulary)))
    ids = [vocabulary[piece] for piece in unused if piece in vocabulary]
    ids = ids[: len(MARKERS)]
    if len(ids) < len(MARKERS):
        tokenizer.add_special_tokens({"additional_special_tokens": list(MARKERS)})
        ids = tokenizer.convert_tokens_to_ids(list(MARKERS))
        encoder.resize_token_embeddings(
            max(len(tokenizer), encoder.config.vocab_size), mean_resizing=False
        )
    weights = encoder.get_input_embeddings().weight.data
    pieces = cut_words(tokenizer, "entity")
    for marker, model_id in zip(ids, [tokenizer.mask_token_id, *pieces[:1]] * 3):
        if model_id is not None:
            weights[marker] = weights[model_id]
    return ids


def annotate_labels(
    tokenizer: Any, labels: Labels, annotations: dict[str, str] | None
) -> list[list[list[int]]]:
    """Tokenize the annotations of the labels.

    tokenizer (Any): The tokenizer of the transformer.
    labels (Labels): The labels.
    annotations (dict[str, str] | None): Words for labels; None: no annotations.
    RETURNS (list): Pieces of the annotation of each entity label and of each relation
        label.
    RAISES (ValueError): J313 for an annotation without pieces, J314 for an annotation
        of an unknown label.
    """
    for label in annotations or {}:
        if label not in (*labels.entities, *labels.relations):
            raise JREError(Errors.J314.format(label=label, labels=labels))

    def pieces_of(names: Sequence[str]) -> list[list[int]]:
        if annotations is None:
            return []
        pieces = []
        for label in names:
            words = annotate(label, annotations)
            pieces.append(cut_words(tokenizer, words))
            if not pieces[-1]:
                raise JREError(Errors.J313.format(label=label, words=words))
        return pieces

    return [pieces_of(labels.entities), pieces_of(labels.relations)]


def make_forms(
    encoder: Any,
    tokenizer: Any,
    markers: Sequence[int],
    annotations: Sequence[list[list[int]]],
) -> list[InputFormat]:
    """Create the input formats of both stages.

    encoder, tokenizer (Any): The transformer and its tokenizer.
    markers (Sequence[int]): The IDs that ``add_markers`` returned.
    annotations (Sequence): The pieces that ``annotate_labels`` returned.
    RETURNS (list[InputFormat]): The input formats.
    """
    whole = HFEncoder(encoder, tokenizer)
    entity = InputFormat(
        prefix=whole.prefix,
        suffix=whole.suffix,
        annotations=annotations[0],
        separator=tokenizer.sep_token_id,
        markers=list(markers[:2]),
        solid=[],
        first_position=whole.first_position,
    )
    relation = replace(
        entity,
        annotations=annotations[1],
        solid=list(markers[2:4]),
        markers=list(markers[4:6]),
    )
    return [entity, relation]


def cut_words(tokenizer: Any, text: str) -> list[int]:
    """Split words into pieces.

    tokenizer (Any): The tokenizer of the transformer.
    text (str): The words, separated by whitespace.
    RETURNS (list[int]): The IDs of the pieces.
    """
    words = text.split()
    if not words:
        return []
    return tokenizer(words, is_split_into_words=True, add_special_tokens=False)[
        "input_ids"
    ]
