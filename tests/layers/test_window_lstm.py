import pytest
import torch
from torch import nn
from torch.testing import assert_close

from spacy_jre.layers.window_lstm import run_windows


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("counts", [(3, 0, 5, 1), (2,), (4, 4), (1, 2, 3)])
def test_each_window_is_run_separately(counts, is_known):
    torch.manual_seed(0)
    lstm = nn.LSTM(6, 2, bidirectional=True)
    rows = torch.randn(sum(counts), 6)
    on_host = counts if is_known else None
    outputs = run_windows(lstm, rows, torch.tensor(counts), on_host)
    expected = [lstm(part)[0] for part in rows.split(counts) if len(part)]
    assert_close(outputs, torch.cat(expected))


@pytest.mark.parametrize("counts", [(), (0,), (0, 0)])
def test_windows_without_rows_give_no_rows(counts):
    lstm = nn.LSTM(6, 2, bidirectional=True)
    counts = torch.tensor(counts, dtype=torch.long)
    assert run_windows(lstm, torch.zeros(0, 6), counts).shape == (0, 4)
