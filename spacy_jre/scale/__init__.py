"""Run a pipeline on much text."""

from .items import InputSettings, Item, find_source
from .run import Applied, ApplySettings, apply
from .shards import Failure, Shard, process_shard

__all__ = [
    "Applied",
    "ApplySettings",
    "Failure",
    "InputSettings",
    "Item",
    "Shard",
    "apply",
    "find_source",
    "process_shard",
]
