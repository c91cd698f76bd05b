"""Run a pipeline on an input of any size, in shards that are kept if the run ends."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc

from ..annotations import DEFAULT_ATTR
from ..errors import Errors, JREError
from ..export import ExportOptions
from .folder import ERRORS, Manifest, OutputFolder, ShardEntry
from .items import InputSettings, Item, Source, find_source, hash_files
from .outputs import ShardOutput, make_output
from .shards import Failure, process_shard

# number of documents from which a shard shows that no document of the input works
_SAMPLE = 10


@dataclass(frozen=True)
class ApplySettings:
    """What determines the files of the output.

    format (str): The name of a format of ``export.FORMATS``, or "spacy".
    shard_size (int): Number of documents of a shard.
    input (InputSettings): How to read the input.
    export (ExportOptions): Options of the triples.
    attr (str): Name of the relation extension.
    """

    format: str = "jsonl"
    shard_size: int = 1000
    input: InputSettings = field(default_factory=InputSettings)
    export: ExportOptions = field(default_factory=ExportOptions)
    attr: str = DEFAULT_ATTR

    def values(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): The values, for the manifest."""
        values = asdict(self)
        return {**values.pop("input"), **values.pop("export"), **values}


@dataclass(frozen=True)
class Applied:
    """The counts of a run.

    documents (int): Number of documents of the input: `processed` plus `failed`.
    processed (int): Number of documents in the output.
    failed (int): Number of documents that failed. They are in errors.ndjson.
    relations (int): Number of relations.
    shards (int): Number of shards.
    earlier (int): Number of shards that were finished by earlier runs.
    ignored (tuple[str, ...]): Files of the input that were not read, with the reasons.
    """

    documents: int
    processed: int
    failed: int
    relations: int
    shards: int
    earlier: int
    ignored: tuple[str, ...]

    def summary(self) -> str:
        earlier = f" ({self.earlier} finished before)" if self.earlier else ""
        errors = f" (see {ERRORS})" if self.failed else ""
        return (
            f"documents: {self.documents} = {self.processed} processed + "
            f"{self.failed} failed{errors}; relations: {self.relations}; "
            f"shards: {self.shards}{earlier}"
        )


# called with the number of documents, and of those that earlier runs have finished
OnStart = Callable[[int, int], None]
# called with the number of documents that were finished since the last call
OnProgress = Callable[[int], None]


def apply(
    nlp: Language,
    source: Path,
    output: Path,
    settings: ApplySettings,
    *,
    batch_size: int | None = None,
    n_process: int = 1,
    on_start: OnStart = lambda documents, done: None,
    on_progress: OnProgress = lambda count: None,
) -> Applied:
    """Run a pipeline on an input, and write its relations in shards.

    If the output folder has the shards of an earlier run with the same pipeline, input
    and settings, the run is continued.

    nlp (Language): The pipeline.
    source (Path): The input, see ``find_source``.
    output (Path): The output folder.
    settings (ApplySettings): The settings.
    batch_size (int | None): Number of documents of a batch. Default: that of the
        pipeline.
    n_process (int): Number of processes.
    on_start, on_progress (Callable): Called with numbers of documents.
    RETURNS (Applied): The counts.
    RAISES (ValueError): J774 if the folder has the results of another run, J778 and
        J781 if it can't be used, J779 if all documents fail, and the errors of
        ``find_source`` and ``make_output``.
    """
    files = find_source(source, settings.input)
    make_output(settings.format, settings.export, settings.attr)  # checks them
    folder = OutputFolder(output)
    folder.check_outside(source)
    run = {
        "model": fingerprint_of(nlp),
        "input": files.fingerprint(),
        **settings.values(),
    }
    with folder.locked():
        manifest = folder.read()
        if manifest is None:
            info = {"model": nlp.meta["name"], "input": str(source)}
            manifest = Manifest(run, info, _count(files))
        folder.check_same(manifest, run)
        folder.start(manifest)
        earlier = len(manifest.shards)
        on_start(manifest.documents, manifest.done)
        items = islice(files, manifest.done, None)
        while items_of_shard := list(islice(items, settings.shard_size)):
            shard = make_output(settings.format, settings.export, settings.attr)
            processed = process_shard(
                nlp,
                items_of_shard,
                partial(_convert, shard, on_progress),
                batch_size=batch_size,
                n_process=n_process,
            )
            if not manifest.shards and not processed.results:
                count = len(items_of_shard)
                if count >= min(_SAMPLE, manifest.documents):
                    folder.discard()
                    raise _all_failed(processed.failed[0], count)
            name = f"part-{len(manifest.shards):05d}{shard.suffix}"
            relations = shard.write(processed.results, folder.path / name)
            counts = (len(items_of_shard), len(processed.failed), relations)
            entry = ShardEntry(name, *counts)
            folder.finish_shard(manifest, entry, processed.failed)
            on_progress(len(processed.failed))
    return Applied(
        documents=manifest.documents,
        processed=manifest.done - manifest.failed,
        failed=manifest.failed,
        relations=manifest.relations,
        shards=len(manifest.shards),
        earlier=earlier,
        ignored=files.ignored,
    )


def _convert(output: ShardOutput, on_progress: OnProgress, doc: Doc, item: Item) -> Any:
    result = output.convert(doc, item)
    on_progress(1)
    return result


def _count(source: Source) -> int:
    """RETURNS (int): The number of documents.
    RAISES (ValueError): J779 if none of them can be read."""
    count = 0
    first: Failure | None = None
    readable = False
    for item in source:
        count += 1
        readable = readable or not item.error
        if first is None and item.error:
            first = Failure(item.number, item.id, item.error)
    if first is not None and not readable:
        raise _all_failed(first, count)
    return count


def _all_failed(first: Failure, count: int) -> JREError:
    reason = re.sub(r"^\[J\d+\] ", "", first.reason)  # one code per message
    return JREError(Errors.J779.format(count=count, first=first.id, reason=reason))


def fingerprint_of(nlp: Language) -> str:
    """Get the fingerprint of a pipeline.

    nlp (Language): The pipeline.
    RETURNS (str): A hash of its active components and their settings, and of its files,
        or its content if it was not loaded from a folder. Weights that were changed
        after loading are not noticed.
    """
    # (a property of Language, which raises an error without a path)
    folder = getattr(nlp, "_path", None)
    if folder is None:
        content = hashlib.sha256(nlp.to_bytes()).hexdigest()
    else:
        files = {
            path.relative_to(folder).as_posix(): path
            for path in Path(folder).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        content = hash_files(files)
    # they can be changed after loading
    settings = [
        (name, nlp.get_pipe_config(name), getattr(component, "cfg", None))
        for name, component in nlp.pipeline
    ]
    # the text of an object would have its address, which differs between processes
    text = json.dumps(settings, sort_keys=True, default=lambda value: str(type(value)))
    return hashlib.sha256(f"{content}\n{text}".encode()).hexdigest()
