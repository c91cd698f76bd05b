"""The number of operations for which the host waits for a GPU, counted on the CPU."""

import pytest
import torch

from spacy_jre.layers.pairs import propose_pairs
from spacy_jre.layers.span_chunks import compute_in_chunks

from ..pipeline.helpers import learn, make_nlp, model_config, predictions_of
from .helpers import load

# Waits of an update and of a prediction, and copies to the device of both. Each wait
# stops the host until the GPU has finished all earlier operations.
MAXIMA = {
    "SpERT": (2, 4, 10, 7),
    "SINET": (2, 4, 10, 7),
    "STSN": (2, 4, 11, 7),
    "ISER": (3, 5, 10, 7),
    "LAINet": (6, 6, 15, 8),
    "SpERT+recipe": (2, 4, 11, 8),
    "SINET+recipe": (2, 4, 11, 8),
    "STSN+recipe": (2, 4, 12, 8),
    "ISER+recipe": (3, 5, 11, 8),
}
count_host_waits = load("host_waits").count_host_waits


@pytest.fixture(scope="module", params=MAXIMA)
def counted(request, tiny_bert, wide_bert):
    nlp, examples = make_nlp(model_config(request.param, tiny_bert, wide_bert))
    learn(nlp, examples, 8)
    with count_host_waits() as update:
        nlp.update(examples, sgd=False)
    with count_host_waits() as prediction:
        predictions_of(nlp)
    return request.param, update, prediction


def test_update_waits_at_most_as_often_as_listed(counted):
    name, update, _ = counted
    assert update.waits.total() <= MAXIMA[name][0], update.waits


def test_prediction_waits_at_most_as_often_as_listed(counted):
    name, _, prediction = counted
    assert prediction.waits.total() <= MAXIMA[name][1], prediction.waits


def test_update_copies_at_most_as_often_as_listed(counted):
    name, update, _ = counted
    assert update.copies.total() <= MAXIMA[name][2], update.copies


def test_prediction_copies_at_most_as_often_as_listed(counted):
    name, _, prediction = counted
    assert prediction.copies.total() <= MAXIMA[name][3], prediction.copies


@pytest.mark.parametrize("inference", [False, True])
@pytest.mark.parametrize(
    "operation",
    [
        lambda rows: rows[0].item(),
        lambda rows: bool(rows.all()),
        lambda rows: int(rows.sum()),
        lambda rows: rows.nonzero(),
        lambda rows: rows[rows > 1],
        lambda rows: rows.masked_select(rows > 1),
        lambda rows: torch.bincount(rows),
        lambda rows: torch.repeat_interleave(rows, rows),
        lambda rows: torch.unique(rows),
        lambda rows: torch.equal(rows, rows + 1),
    ],
)
def test_operation_with_a_size_or_value_of_the_gpu_is_a_wait(operation, inference):
    rows = torch.arange(3)
    with torch.inference_mode(inference), count_host_waits() as counted:
        operation(rows)
    assert counted.waits.total() == 1


@pytest.mark.parametrize(
    "operation",
    [
        lambda rows: rows + 1,
        lambda rows: rows[rows],
        lambda rows: rows.masked_fill(rows > 1, 0),
        lambda rows: torch.repeat_interleave(rows, rows, output_size=3),
        lambda rows: torch.where(rows > 1, rows, 0),
        lambda rows: rows.index_put((rows > 1,), torch.tensor(0)),
    ],
)
def test_other_operations_are_no_waits(operation):
    rows = torch.arange(3)
    with count_host_waits() as counted:
        operation(rows)
    assert not counted.waits


def test_waits_are_counted_by_line():
    windows = torch.zeros(2, dtype=torch.long)
    with count_host_waits() as counted:
        propose_pairs(torch.eye(2), windows, torch.tensor([9]))
    names = [wait.split(":")[0] for wait in counted.waits]
    assert names == ["nonzero, layers/pairs.py", "tolist, layers/pairs.py"]


def test_copy_to_the_host_is_one_wait_and_its_values_are_none():
    counts = torch.tensor([2, 1])
    spans = torch.tensor([[0, 1], [1, 2], [2, 3]])
    with count_host_waits() as counted:
        compute_in_chunks(
            lambda units, inside: inside.sum(1),
            spans,
            torch.tensor([0, 0, 1]),
            counts,
            cost=lambda n: n,
            memory=100,
        )
    assert counted.waits.total() == 1
