import pytest
import torch
from torch import nn
from torch.testing import assert_close

from spacy_jre.layers.window_lstm import run_windows

COUNTS = [(3, 0, 5, 1), (2,), (4, 4), (1, 2, 3)]


def run_separately(lstm, rows, counts):
    return torch.cat([lstm(part)[0] for part in rows.split(counts) if len(part)])


@pytest.mark.parametrize("is_training", [True, False])
@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("counts", COUNTS)
def test_each_window_is_run_separately(counts, is_known, is_training):
    torch.manual_seed(0)
    lstm = nn.LSTM(6, 2, bidirectional=True)
    rows = torch.randn(sum(counts), 6)
    on_host = counts if is_known else None
    with torch.set_grad_enabled(is_training):
        outputs = run_windows(lstm, rows, torch.tensor(counts), on_host)
    assert_close(outputs, run_separately(lstm, rows, counts))


@pytest.mark.parametrize("counts", COUNTS)
def test_gradients_are_those_of_separate_windows(counts):
    torch.manual_seed(0)
    lstm = nn.LSTM(6, 2, bidirectional=True)
    rows = torch.randn(sum(counts), 6)
    factors = torch.randn(sum(counts), 4)
    gradients = []
    for run in (
        lambda rows: run_windows(lstm, rows, torch.tensor(counts)),
        lambda rows: run_separately(lstm, rows, counts),
    ):
        inputs = rows.clone().requires_grad_()
        loss = (run(inputs) * factors).sum()
        gradients.append(torch.autograd.grad(loss, [inputs, *lstm.parameters()]))
    assert_close(*gradients)


@pytest.mark.parametrize("counts", [(), (0,), (0, 0)])
def test_windows_without_rows_give_no_rows(counts):
    lstm = nn.LSTM(6, 2, bidirectional=True)
    counts = torch.tensor(counts, dtype=torch.long)
    assert run_windows(lstm, torch.zeros(0, 6), counts).shape == (0, 4)
