import pytest
import torch

from spacy_jre.architectures.case_features import SHAPES, shape_embedding, word_shape

EXAMPLES = {
    "lower": ["the", "straße", "ёлка", "a"],
    "lower, joined": ["well-known", "\u2019s", "e.g."],
    "title": ["Paris", "Élan", "Москва", "\u01c5ep"],
    "title, joined": ["Anglo-American", "St.", "O'Brien"],
    "upper": ["NATO", "ЕС", "ΑΒ"],
    "upper, joined": ["U.S.", "AT&T", "R-D"],
    "initial": ["J", "J.", "\u00d8"],
    "mixed": ["McDonald", "iPhone", "eBay-Inc"],
    "uncased": ["東京", "دمشق", "हिन्दी", "ไทย", "서울"],
    "digits": ["12", "3,000", "1.5", "½", "٣٤"],
    "digits and letters": ["B2", "1990s", "COVID-19", "5月"],
    "symbols": [".", "--", "$", "\u2026", "😀", " ", ""],
}
CASES = [(text, shape) for shape, texts in EXAMPLES.items() for text in texts]


@pytest.mark.parametrize(("text", "shape"), CASES)
def test_shape_of_a_token(text, shape):
    assert SHAPES[word_shape(text)] == shape


def test_every_shape_has_an_example():
    assert {"special token", *EXAMPLES} == set(SHAPES)


def test_combining_marks_do_not_change_the_shape():
    assert SHAPES[word_shape("E\u0301lan")] == "title"


def test_special_tokens_have_a_zero_vector_without_gradient():
    table = shape_embedding(4)
    assert not table.weight[0].any()
    assert table.weight[1:].all()
    table(torch.tensor([0, 0, 3])).sum().backward()
    assert not table.weight.grad[0].any()
