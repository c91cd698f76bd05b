import torch
from torch.testing import assert_close

from spacy_jre.layers.interactive_fusion import InteractiveFusion


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
