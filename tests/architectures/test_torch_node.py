import pytest
import safetensors.torch
import torch
from thinc.api import Adam

from spacy_jre.architectures.header import read_header
from spacy_jre.architectures.torch_node import (
    LoadModule,
    NotBuilt,
    save_module,
    torch_node,
)
from spacy_jre.training.optimizer import create_adamw_v1

CPU = torch.device("cpu")


class Small(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.metadata = {"width": width}
        self.linear = torch.nn.Linear(width, width, bias=False)
        self.second = torch.nn.Linear(width, width, bias=False)


def plan(fields, tensors):
    return lambda: Small(**fields)


def test_module_is_built_from_header_and_weights():
    module = Small(3)
    loaded = LoadModule(plan)(NotBuilt(), save_module(module), CPU)
    assert loaded.metadata == {"width": 3}
    torch.testing.assert_close(loaded.state_dict(), module.state_dict())
    assert not loaded.training


def test_shared_and_transposed_tensors_are_saved():
    module = Small(2)
    module.second.weight = module.linear.weight
    module.linear.weight.data = torch.arange(4.0).reshape(2, 2).t()
    loaded = LoadModule(plan)(NotBuilt(), save_module(module), CPU)
    assert loaded.linear.weight.tolist() == [[0, 2], [1, 3]]
    assert loaded.second.weight.tolist() == [[0, 2], [1, 3]]


def test_module_that_is_not_built_saves_no_data():
    assert save_module(NotBuilt()) == b""
    nothing = NotBuilt()
    assert LoadModule(plan)(nothing, b"", CPU) is nothing


@pytest.mark.parametrize(
    "data",
    [
        safetensors.torch.save({"x": torch.zeros(1)}),
        safetensors.torch.save({"x": torch.zeros(1)}, metadata={"format": "pt"}),
        b"\x05\0\0\0\0\0\0\0{oops",
    ],
)
def test_weights_without_header_raise_error(data):
    with pytest.raises(ValueError, match="J309"):
        read_header(data)


def test_weights_of_another_shape_raise_error():
    data = save_module(Small(3))
    message = r"J308.*2 difference.*linear.weight has shape \(3, 3\), expected \(2, 2\)"
    with pytest.raises(ValueError, match=message):
        LoadModule(lambda fields, tensors: lambda: Small(2))(NotBuilt(), data, CPU)


@pytest.mark.parametrize("create", [create_adamw_v1, Adam])
def test_update_keeps_weights_in_one_block(create):
    # like the weights of a recurrent network in cuDNN
    module = torch.nn.Linear(3, 2)
    block = torch.randn(8)
    module.weight.data, module.bias.data = block[:6].view(2, 3), block[6:]
    node = torch_node(module, convert_inputs=None, convert_outputs=None, plan=plan)
    before = block.clone()
    module(torch.ones(1, 3)).sum().backward()
    node.finish_update(create(0.1))
    assert not torch.equal(block, before)
    for weight in module.parameters():
        storage = weight.untyped_storage()
        assert storage.data_ptr() == block.data_ptr()
        assert storage.nbytes() == block.nbytes
