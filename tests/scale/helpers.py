"""Inputs, and the content of output folders."""

import json
from pathlib import Path

from spacy_jre.scale import ApplySettings, apply

TEXTS = [f"Ada{n} left Oslo{n} and Bergen{n}." for n in range(10)]


def write_texts(path: Path, texts=TEXTS) -> Path:
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf8")
    return path


def run(nlp, source, output, *, batch_size=None, n_process=1, **settings):
    """Run the pipeline with shards of three documents."""
    chosen = ApplySettings(**{"shard_size": 3, **settings})
    return apply(
        nlp, source, output, chosen, batch_size=batch_size, n_process=n_process
    )


def read_lines(path: Path) -> list[dict]:
    with path.open(encoding="utf8") as lines:
        return [json.loads(line) for line in lines]


def rows_of(folder: Path) -> list[dict]:
    """The triples of all shards, in order."""
    return [row for p in sorted(folder.glob("part-*.jsonl")) for row in read_lines(p)]


def contents(folder: Path) -> dict[str, bytes]:
    """The files of an output folder, except for the manifest."""
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.name != "manifest.json"
    }


def manifest_of(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text(encoding="utf8"))


def shards_of(folder: Path) -> list[dict]:
    """The finished shards."""
    path = folder / "shards.ndjson"
    return read_lines(path) if path.exists() else []
