"""For the equations of the LSTM, see tests/networks/test_parity.py."""

import pytest
import torch
from torch.autograd import gradcheck
from torch.testing import assert_close

from spacy_jre.layers.residual_lstm import ResidualBiLSTM

WIDTH = 6


@pytest.fixture
def lstm():
    torch.manual_seed(0)
    return ResidualBiLSTM(WIDTH, dropout=0.0)


def run(lstm: ResidualBiLSTM, counts: list[int], rows: torch.Tensor) -> torch.Tensor:
    return lstm(rows, torch.tensor(counts, dtype=torch.long), tuple(counts))


@pytest.mark.parametrize("counts", [[3, 1, 2], [1, 2, 3], [0, 3, 0, 2, 0], [5]])
def test_windows_do_not_depend_on_each_other(lstm, counts):
    rows = torch.randn(sum(counts), WIDTH)
    parts = [run(lstm, [len(part)], part) for part in rows.split(counts) if len(part)]
    assert_close(run(lstm, counts, rows), torch.cat(parts))


@pytest.mark.parametrize("counts", [[], [0], [0, 0]])
def test_windows_without_rows_have_no_output(lstm, counts):
    assert run(lstm, counts, torch.zeros((0, WIDTH))).shape == (0, WIDTH)


def test_output_is_the_input_if_the_lstm_returns_zeros(lstm):
    for parameter in lstm.lstm.parameters():
        parameter.data.zero_()
    rows = torch.randn(4, WIDTH)
    assert torch.equal(run(lstm, [3, 1], rows), rows)


def test_first_row_depends_on_the_last_and_the_last_on_the_first(lstm):
    rows = torch.randn(4, WIDTH)
    changed = run(lstm, [4], rows)
    for edited, read in ((0, 3), (3, 0)):
        other = rows.clone()
        other[edited] += 1.0
        assert not torch.allclose(run(lstm, [4], other)[read], changed[read])


def test_dropout_applies_to_the_input_of_the_lstm_only():
    lstm = ResidualBiLSTM(WIDTH, dropout=1.0).train()
    lstm.lstm.bias_ih_l0.data.zero_()
    rows = torch.randn(3, WIDTH)
    with_zeros = run(lstm, [3], torch.zeros(3, WIDTH))
    assert_close(run(lstm, [3], rows), rows + with_zeros)


def test_gradients_equal_finite_differences():
    lstm = ResidualBiLSTM(WIDTH, dropout=0.0).double()
    rows = torch.randn(5, WIDTH).double().requires_grad_()
    assert gradcheck(lambda values: run(lstm, [2, 0, 3], values), rows, fast_mode=True)


def test_odd_width_raises_error():
    with pytest.raises(ValueError, match="J203"):
        ResidualBiLSTM(5, dropout=0.0)
