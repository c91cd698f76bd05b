import numpy as np
from spacy.tokens import Doc

from spacy_jre.architectures.units import with_units
from spacy_jre.types import EncodedGradient

from .fake_encoder import fake_encoder


def test_tokens_are_units_and_sentence_vector_is_their_mean(nlp):
    doc = Doc(nlp.vocab, words=["a", "b", "c", "d"])
    for token in doc:
        token.is_sent_start = token.i in (0, 3)
    encoded = with_units(fake_encoder(2)).predict([doc, Doc(nlp.vocab, words=["e"])])
    assert encoded.units[:, 0].tolist() == [0, 1, 2, 3, 0]
    assert encoded.sentence[:, 0].tolist() == [1, 3, 0]
    assert encoded.token_units.tolist() == [[0, 1], [1, 2], [2, 3], [3, 4], [4, 5]]
    assert encoded.unit_counts.tolist() == [3, 1, 1]


def test_gradient_of_the_mean_is_divided_among_tokens(nlp):
    docs = [
        Doc(nlp.vocab, words=["a", "b"]),
        Doc(nlp.vocab),
        Doc(nlp.vocab, words=["c"]),
    ]
    _, backprop = with_units(fake_encoder(2)).begin_update(docs)
    units = np.asarray([[1, 0], [2, 0], [3, 0]], dtype="float32")
    sentence = np.asarray([[10, 4], [20, 6]], dtype="float32")
    first, empty, last = backprop(EncodedGradient(units, sentence))
    assert first.tolist() == [[6, 2], [7, 2]]
    assert empty.shape == (0, 2)
    assert last.tolist() == [[23, 6]]


def test_empty_batch_has_no_units(nlp):
    encoded = with_units(fake_encoder(2)).predict([Doc(nlp.vocab)])
    assert encoded.units.shape == (0, 2)
    assert encoded.windows.n_tokens == 0
