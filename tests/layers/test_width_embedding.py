import pytest
import torch

from spacy_jre.layers.width_embedding import WidthEmbedding


@pytest.fixture
def embedding():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield WidthEmbedding(25)


def spans_of(*widths):
    return torch.tensor([(3, 3 + width) for width in widths]).reshape(-1, 2)


def test_each_width_has_its_own_row(embedding):
    vectors = embedding(torch.tensor([1, 7, 99]))
    assert torch.equal(vectors, embedding.table.weight[[1, 7, 99]])


@pytest.mark.parametrize("width", [100, 101, 5000])
def test_wide_spans_share_the_last_row(embedding, width):
    assert torch.equal(embedding(torch.tensor([width]))[0], embedding.rows()[99])


def test_table_has_a_hundred_rows(embedding):
    assert embedding.rows().shape == (100, 25)


def test_index_returns_the_rows_of_the_span_widths(embedding):
    spans = spans_of(1, 2, 99, 100, 250)
    assert embedding.index(spans).tolist() == [1, 2, 99, 99, 99]


def test_lookup_by_index_equals_lookup_by_width(embedding):
    spans = spans_of(1, 10, 99, 100, 250)
    by_index = embedding.rows()[embedding.index(spans)]
    assert torch.equal(by_index, embedding(spans[:, 1] - spans[:, 0]))


def test_table_is_initialized_as_in_bert(embedding):
    assert embedding.rows().std().item() == pytest.approx(0.02, rel=0.05)
    assert embedding.rows().mean().item() == pytest.approx(0.0, abs=2e-3)


def test_only_used_rows_have_a_gradient(embedding):
    embedding(torch.tensor([2, 2, 300])).sum().backward()
    used = embedding.table.weight.grad.abs().sum(1).nonzero().squeeze(1)
    assert used.tolist() == [2, 99]


def test_no_spans_give_no_vectors(embedding):
    assert embedding(torch.zeros(0, dtype=torch.long)).shape == (0, 25)
    assert embedding.index(spans_of()).shape == (0,)
