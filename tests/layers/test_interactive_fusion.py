import pytest
import torch
from torch import nn
from torch.testing import assert_close

from spacy_jre.layers.interactive_fusion import InteractiveFusion, run_windows


@pytest.mark.parametrize("counts", [(3, 0, 5, 1), (2,), (4, 4), (1, 2, 3)])
def test_each_window_is_run_separately(counts):
    torch.manual_seed(0)
    lstm = nn.LSTM(6, 2, bidirectional=True)
    rows = torch.randn(sum(counts), 6)
    outputs = run_windows(lstm, rows, torch.tensor(counts))
    expected = [lstm(part)[0] for part in rows.split(counts) if len(part)]
    assert_close(outputs, torch.cat(expected))


@pytest.mark.parametrize("counts", [(), (0,), (0, 0)])
def test_windows_without_rows_give_no_rows(counts):
    lstm = nn.LSTM(6, 2, bidirectional=True)
    counts = torch.tensor(counts, dtype=torch.long)
    assert run_windows(lstm, torch.zeros(0, 6), counts).shape == (0, 4)


def test_attention_over_equal_units_returns_the_unit():
    # any weighted mean of equal rows equals the row
    torch.manual_seed(0)
    fusion = InteractiveFusion(4)
    entity = torch.randn(1, 4).expand(3, 4)
    relation = torch.randn(1, 4).expand(3, 4)
    fused = fusion(entity, relation, torch.tensor([3]), 3)
    assert_close(fused.relation_to_entity, torch.full((1, 3, 3), 1 / 3))
    expected, _ = fusion.lstm(torch.cat([entity, relation], 1))
    assert_close(fused.rows, expected)
