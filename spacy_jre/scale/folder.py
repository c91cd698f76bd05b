"""The output folder of a run: shards, errors, the manifest and the list of shards.

A shard is finished when the list has its line. The line is appended after the files of
the shard are complete, so that a run that is killed loses at most one shard, and a
later run repeats no finished one. The manifest is written once per run. If it had the
shards, too, writing it would take longer with each shard.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from shutil import rmtree
from typing import Any

from ..about import __version__
from ..errors import Errors, JREError
from ..export.formats import PARTIAL, replaced_when_complete
from .shards import Failure

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

MANIFEST = "manifest.json"
# not .jsonl: the output can be the input of another run, which reads .jsonl
SHARDS = "shards.ndjson"
ERRORS = "errors.ndjson"
LOCK = ".lock"
# version of the manifest and the lists of shards and errors
VERSION = 3


@dataclass(frozen=True)
class ShardEntry:
    """A finished shard.

    name (str): The name of its file or folder.
    documents (int): Number of its documents.
    failed (int): Number of documents that failed.
    relations (int): Number of relations.
    errors_size (int): Size of the errors of this shard and those before, in bytes.
    """

    name: str
    documents: int
    failed: int
    relations: int
    errors_size: int = 0


@dataclass
class Manifest:
    """What is in the output folder.

    run (dict[str, Any]): What determines the results: fingerprints of the pipeline and
        the input, and the settings. Another run can't use the same folder.
    info (dict[str, Any]): Names of the pipeline and the input, and versions.
    documents (int): Number of documents of the input.
    shards (list[ShardEntry]): The finished shards, in order.
    shards_size (int): Size of their list, in bytes.
    """

    run: dict[str, Any]
    info: dict[str, Any]
    documents: int
    shards: list[ShardEntry] = field(default_factory=list)
    shards_size: int = 0

    @property
    def errors_size(self) -> int:
        """Size of the errors of the finished shards, in bytes."""
        return self.shards[-1].errors_size if self.shards else 0

    @property
    def done(self) -> int:
        """Number of documents of the finished shards."""
        return sum(shard.documents for shard in self.shards)

    @property
    def failed(self) -> int:
        return sum(shard.failed for shard in self.shards)

    @property
    def relations(self) -> int:
        return sum(shard.relations for shard in self.shards)


class OutputFolder:
    """The output folder of a run."""

    def __init__(self, path: Path):
        self.path = path

    def check_outside(self, source: Path) -> None:
        """RAISES (ValueError): J778 if the folder is in the input, whose files would
        then include the output."""
        if self.path.resolve().is_relative_to(source.resolve()):
            raise self._unusable(f"it is in the input, {source}")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Create the folder, and keep other processes from using it.

        RAISES (ValueError): J778 for a file, or a folder with other files. J781 if
            another process uses it.
        """
        if self.path.exists() and not self.path.is_dir():
            raise self._unusable("it is a file")
        if self.path.is_dir() and not (self.path / MANIFEST).is_file():
            known = {LOCK, MANIFEST + PARTIAL, ERRORS, SHARDS}
            others = sorted({path.name for path in self.path.iterdir()} - known)
            if others:
                raise self._unusable(f"it has other files, such as {others[0]}")
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / LOCK).open("w") as lock:
            if fcntl is not None:
                try:
                    # ends with the process, also if it is killed. (A lock of flock()
                    # would also belong to forked processes.)
                    fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError as error:
                    raise JREError(Errors.J781.format(folder=self.path)) from error
            yield

    def read(self) -> Manifest | None:
        """RETURNS (Manifest | None): The manifest. None if the folder is new.
        RAISES (ValueError): J778 for a manifest or a list of shards that cannot be
            read."""
        path = self.path / MANIFEST
        if not path.is_file():
            return None
        try:
            values = json.loads(path.read_text(encoding="utf8"))
            if values.pop("version") != VERSION:
                raise ValueError("it has another version")
            manifest = Manifest(**values)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self._unusable(f"{MANIFEST} can't be read ({error})") from error
        self._read_shards(manifest)
        return manifest

    def _read_shards(self, manifest: Manifest) -> None:
        """Read the list of the finished shards. The last line is ignored if it was not
        written completely."""
        path = self.path / SHARDS
        if not path.exists():
            return
        lines = path.read_bytes().split(b"\n")
        # the text after the last line break is empty, or was not written completely
        for number, line in enumerate(lines[:-1], 1):
            try:
                shard = ShardEntry(**json.loads(line))
            except (TypeError, ValueError) as error:
                if number == len(lines) - 1 and not lines[-1]:
                    return  # a power cut can leave a line without its content
                problem = f"{SHARDS}, line {number} can't be read ({error})"
                raise self._unusable(problem) from error
            manifest.shards.append(shard)
            manifest.shards_size += len(line) + 1

    def check_same(self, manifest: Manifest, run: Mapping[str, Any]) -> None:
        """RAISES (ValueError): J774 if the folder has the results of another run."""
        differences = [
            f"another {name}"
            if name in ("model", "input")
            else f"{name} {manifest.run.get(name)!r} instead of {run.get(name)!r}"
            for name in {**manifest.run, **run}
            if manifest.run.get(name) != run.get(name)
        ]
        if differences:
            raise JREError(
                Errors.J774.format(folder=self.path, differences=", ".join(differences))
            )

    def start(self, manifest: Manifest) -> None:
        """Remove what is left of a shard that was not finished, and write the manifest.

        RAISES (ValueError): J778 if the file of a finished shard is missing.
        """
        for path in self.path.glob(f"*{PARTIAL}"):
            if path.is_dir():
                rmtree(path)
            else:
                path.unlink()
        for shard in manifest.shards:
            if not (self.path / shard.name).exists():
                raise self._unusable(f"{shard.name} is in {SHARDS}, but missing")
        for name, size in (
            (ERRORS, manifest.errors_size),
            (SHARDS, manifest.shards_size),
        ):
            path = self.path / name
            found = path.stat().st_size if path.exists() else 0
            if found < size:
                raise self._unusable(f"{name} is shorter than in {SHARDS}")
            if found > size:
                os.truncate(path, size)
        self._write(manifest)

    def discard(self) -> None:
        """Delete the manifest of a run without shards."""
        (self.path / MANIFEST).unlink()

    def finish_shard(
        self, manifest: Manifest, shard: ShardEntry, failed: Sequence[Failure]
    ) -> None:
        """Add a shard whose files are complete, and its errors."""
        size = manifest.errors_size
        if failed:
            size = self._append(
                ERRORS,
                [
                    {"id": row.id, "doc": row.number, "reason": row.reason}
                    for row in failed
                ],
            )
        # the names of the files are on the disk before the line
        self._sync_names()
        shard = replace(shard, errors_size=size)
        manifest.shards_size = self._append(SHARDS, [asdict(shard)])
        manifest.shards.append(shard)

    def _append(self, name: str, rows: Sequence[Mapping[str, Any]]) -> int:
        """RETURNS (int): The size of the file."""
        with (self.path / name).open("a", encoding="utf8", newline="\n") as file:
            # ASCII, because an id or a reason can contain half a surrogate pair
            file.writelines(json.dumps(row) + "\n" for row in rows)
            file.flush()
            os.fsync(file.fileno())
            return file.tell()

    def _write(self, manifest: Manifest) -> None:
        values = {
            "version": VERSION,
            "run": manifest.run,
            "info": {**manifest.info, "spacy_jre": __version__},
            "documents": manifest.documents,
        }
        with replaced_when_complete(self.path / MANIFEST) as partial:
            partial.write_text(json.dumps(values, indent=1) + "\n", encoding="utf8")
        self._sync_names()

    def _sync_names(self) -> None:
        with suppress(OSError):  # Windows cannot open folders
            folder = os.open(self.path, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _unusable(self, problem: str) -> JREError:
        return JREError(Errors.J778.format(folder=self.path, problem=problem))
