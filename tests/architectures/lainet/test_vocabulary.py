"""LAI-Net's markers and annotations in the vocabularies of transformers."""

import numpy as np
import pytest
import torch

from spacy_jre.architectures.lainet.vocabulary import FAMILIES, MARKERS

from ...conftest import save_tiny_bert
from .helpers import LEVITATED, all_scores, build_model, inside, save_family


def test_markers_are_added_to_vocabulary_without_unused_pieces(model):
    tokenizer = inside(model).tokenizer
    ids = inside(model).markers
    assert tokenizer.convert_ids_to_tokens(ids) == list(MARKERS)
    embeddings = inside(model).encoder[0].get_input_embeddings().weight
    assert len(embeddings) == len(tokenizer)
    vocabulary = tokenizer.get_vocab()
    first_piece = tokenizer.convert_tokens_to_ids(tokenizer.tokenize("entity"))[0]
    for start, end in zip(ids[::2], ids[1::2]):
        assert torch.equal(embeddings[start], embeddings[vocabulary["[MASK]"]])
        assert torch.equal(embeddings[end], embeddings[first_piece])


def test_stages_have_distinct_markers(model):
    entity, relation = inside(model).forms
    ids = [*entity.markers, *relation.solid, *relation.markers]
    assert ids == inside(model).markers
    assert len(set(ids)) == 6
    assert entity.solid == []


def test_unused_pieces_become_markers(tmp_path):
    folder = save_tiny_bert(tmp_path / "bert", positions=160)
    vocabulary = (folder / "vocab.txt").read_text().split("\n")
    unused = [f"[unused{n}]" for n in range(8)]
    letters = [i for i, piece in enumerate(vocabulary) if piece.startswith("##")][:8]
    for index, piece in zip(letters, unused):
        vocabulary[index] = piece
    for file in folder.glob("tokenizer*"):
        file.unlink()
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    model = build_model(str(folder))
    tokenizer = inside(model).tokenizer
    assert tokenizer.convert_ids_to_tokens(inside(model).markers) == unused[:6]
    embeddings = inside(model).encoder[0].get_input_embeddings().weight
    assert len(embeddings) == len(tokenizer)


# annotations --------------------------------------------------------------------------


def test_annotations_longer_than_the_limit_raise_error(wide_bert):
    # three special tokens, and annotations of 1, 150 and 4 pieces
    words = {"LOC": "a", "PER": "q " * 150, "ORG": "zyxw"}
    with pytest.raises(ValueError, match=r"J312.*158 and.*max_length = 150.*160"):
        build_model(wide_bert, annotations=words)


def test_annotation_without_pieces_raises_error(wide_bert):
    with pytest.raises(ValueError, match=r"J313.*'PER', ' '"):
        build_model(wide_bert, annotations={"PER": " "})


def test_annotation_of_unknown_label_raises_error(wide_bert):
    with pytest.raises(ValueError, match=r"J314.*'PERSON'"):
        build_model(wide_bert, annotations={"PERSON": "a person"})


# families of transformers -------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_family_supports_mask_and_positions(tmp_path, wide_bert, docs, family):
    """Scores are independent of packing only if the model uses mask and positions."""
    name = save_family(family, tmp_path, wide_bert)
    settings = {**LEVITATED, "filter": False}
    wanted = all_scores(build_model(name, **settings), docs)
    actual = all_scores(build_model(name, **settings, max_candidates=7), docs)
    np.testing.assert_allclose(actual[0], wanted[0], atol=1e-4)
    assert len(np.unique(wanted[0][:, 1].round(4))) > 50
    # with the mask of the paper, the scores depend on packing
    seen = all_scores(build_model(name, filter=False), docs)
    assert not np.allclose(seen[0], wanted[0], atol=1e-3)


@pytest.mark.parametrize(
    ("family", "settings"),
    [("distilbert", {}), ("bert", {"position_embedding_type": "relative_key"})],
)
def test_unsupported_family_raises_error(tmp_path, wide_bert, family, settings):
    name = save_family(family, tmp_path, wide_bert, **settings)
    with pytest.raises(ValueError, match=rf"J316.*{family}"):
        build_model(name)
