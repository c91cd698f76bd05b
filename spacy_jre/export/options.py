"""Options and results of the writers of triples."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import srsly

from ..errors import Errors, JREError
from .graph import Nodes, TripleGraph

NAMESPACE = "urn:spacy-jre:"
_IRI = re.compile(r"(urn:|[a-zA-Z][a-zA-Z0-9+.-]*://)[^\x00-\x20<>\"{}|\\^`]+")


@dataclass(frozen=True)
class ExportOptions:
    """Options of the writers.

    nodes (str): "name": entities with the same label and normalized name are one node.
        "mention": each mention is a node.
    namespace (str): Start of the IRIs that are created for RDF.
    iris (Mapping[str, str]): IRIs of entity and relation labels for RDF. Other labels
        are in the namespace.
    RAISES (ValueError): J202 for another value of `nodes`, J772 for an invalid IRI.
    """

    nodes: Nodes = "name"
    namespace: str = NAMESPACE
    iris: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.nodes not in get_args(Nodes):
            allowed = ", ".join(get_args(Nodes))
            raise JREError(
                Errors.J202.format(name="nodes", allowed=allowed, value=self.nodes)
            )
        for label, iri in (("namespace", self.namespace), *self.iris.items()):
            if not isinstance(iri, str) or not _IRI.fullmatch(iri):
                raise JREError(Errors.J772.format(label=label, value=iri))


@dataclass
class Written:
    """What was written.

    triples (int): Number of triples.
    mentions, nodes (int | None): For a graph, the number of mentions of entities, and
        of nodes. None for tables.
    notes (list[str]): What differs from the input, and how to read the files.
    """

    triples: int = 0
    mentions: int | None = None
    nodes: int | None = None
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, graph: TripleGraph, *notes: str) -> "Written":
        """RETURNS (Written): The counts of a graph. (`triples` is not set.)"""
        return cls(0, graph.mentions, len(graph.nodes), list(notes))


def read_label_map(path: Path) -> dict[str, str]:
    """Read the IRIs of labels.

    path (Path): A YAML or JSON file with an object: label -> IRI.
    RETURNS (dict[str, str]): The IRIs. ``ExportOptions`` checks them.
    RAISES (ValueError): J601 for a missing file, J782 for another content.
    """
    if not path.is_file():
        raise JREError(Errors.J601.format(path=path))
    try:
        # JSON is valid YAML
        content = srsly.read_yaml(path)
    except Exception as error:  # ruamel.yaml raises various errors
        raise JREError(Errors.J782.format(path=path, problem=error)) from error
    if not isinstance(content, dict) or not all(isinstance(k, str) for k in content):
        problem = "it is not an object with labels as keys"
        raise JREError(Errors.J782.format(path=path, problem=problem))
    return dict(content)


def require(module: str, extra: str, purpose: str) -> Any:
    """Import a module of an optional dependency.

    module (str): The module.
    extra (str): The extra of spacy-jre that installs it.
    purpose (str): What requires it, for the message.
    RETURNS (Any): The module.
    RAISES (ValueError): J775 if it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        raise JREError(
            Errors.J775.format(purpose=purpose, module=name, extra=extra, error=error)
        ) from error
