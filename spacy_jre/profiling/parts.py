"""The parts of a pipeline: its transformers, and how many parameters it has."""

from typing import Any

from spacy.language import Language
from thinc.api import Model
from torch import nn
from transformers import PreTrainedModel

from ..architectures.units import listeners_of
from ..pipeline.joint_extractor import JointRelationExtractor

# Parameters of a transformer have this prefix in all modules, so that an optimizer can
# set their learning rate.
ENCODER = "encoder"


def count_parameters(
    nlp: Language, component: JointRelationExtractor
) -> dict[str, int]:
    """Count the parameters of the encoder and of the network.

    nlp (Language): The pipeline.
    component (JointRelationExtractor): A component of the pipeline.
    RETURNS (dict[str, int]): "encoder" and "network". The encoder includes everything
        below the network: a mix of layers, case features, and an upstream component
        that the component listens to. All values of the tensors count, also those that
        are not trained.
    """
    model: Model[Any, Any] = component.model
    network = model.get_ref("network")
    pipes: list[Any] = [nlp.get_pipe(name) for name in upstream_of(nlp, component)]
    models = [model, *(pipe.model for pipe in pipes)]
    counts = {ENCODER: 0, "network": 0}
    seen: set[int] = set()
    for node in (node for one in models for node in one.walk()):
        if id(node) in seen:
            continue
        seen.add(id(node))
        for name in node.param_names:
            if node.has_param(name):
                counts[ENCODER] += node.get_param(name).size
        for module in _modules(node):
            for name, parameter in module.named_parameters():
                is_encoder = node is not network or name.startswith(f"{ENCODER}.")
                counts[ENCODER if is_encoder else "network"] += parameter.numel()
    return counts


def transformers_of(model: Model[Any, Any]) -> list[nn.Module]:
    """RETURNS (list[Module]): The transformers inside the torch modules of a model."""
    found: list[nn.Module] = []
    for node in model.walk():
        for module in _modules(node):
            inner = getattr(module, ENCODER, None)
            if isinstance(module, PreTrainedModel):
                found.append(module)
            elif isinstance(inner, nn.ModuleList):
                found += list(inner)
            elif isinstance(inner, nn.Module):
                found.append(inner)
    return list(dict.fromkeys(found))


def upstream_of(nlp: Language, component: JointRelationExtractor) -> list[str]:
    """RETURNS (list[str]): Names of the components that the component listens to."""
    names = {node.upstream_name for node in listeners_of(component.model)}
    earlier = nlp.pipe_names[: nlp.pipe_names.index(component.name)]
    return [
        name
        for name in earlier
        if names & {name, "*"} and hasattr(nlp.get_pipe(name), "listening_components")
    ]


def _modules(node: Model[Any, Any]) -> list[nn.Module]:
    modules = (getattr(shim, "_model", None) for shim in node.shims)
    return [module for module in modules if isinstance(module, nn.Module)]
