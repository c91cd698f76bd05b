"""All formats by name, and a function that guesses the format of a file."""

import json
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...annotations import Record
from ...errors import Errors, JREError
from ..sources import (
    MAX_LINE,
    describe_encoding,
    find_wide_encoding,
    inner_suffix,
    open_file,
    walk_files,
    without_gz,
)
from .ade import read_ade, read_ade_dose, read_ade_negatives
from .bioc import is_bioc, read_bioc
from .brat import read_brat
from .conll04 import read_conll04
from .conllu import is_conllu, read_conllu
from .ddi import read_ddi
from .docbin import read_docbin_records
from .doccano import read_doccano, users_of
from .docred import read_docred
from .dygie import read_dygie
from .gliner import read_gliner
from .inception import read_inception
from .inline import read_inline
from .label_studio import read_label_studio
from .multihead import read_multihead
from .prodigy import read_prodigy
from .pubannotation import is_pubannotation, read_pubannotation
from .pubtator import is_pubtator, read_pubtator
from .spert_json import read_spert_json
from .spo import read_spo
from .tacred import read_tacred
from .triples import read_triples
from .ubiai import read_ubiai
from .uie import read_uie
from .uie_prompts import read_uie_prompts
from .webanno import HEADER, read_webanno

# bytes and JSON values of a file that are read to guess its format
HEAD = 1 << 16
VALUES = 50
# of brat
_ANNOTATIONS = frozenset({".ann", ".a1", ".a2"})
# fields of doccano's exports without relations
_SMALL = {"id", "text", "data", "label", "labels", "Comments", "comments"}


@dataclass(frozen=True)
class Sample:
    """The first part of a file, or the file suffixes in a folder.

    values (tuple): The first values, if the file is JSON.
    lines (tuple[str, ...]): The first non-empty lines, if the file is text.
    suffixes (frozenset[str]): The suffix of the file, or of all files in the folder.
        Only ".ann" if the folder has an .ann file beside a .txt file.
    first (Sample | None): For a folder: the sample of its first XML or JSON file, or
        of its first file, if there are only JSON files and files without a suffix.
    """

    values: tuple[Any, ...] = ()
    lines: tuple[str, ...] = ()
    suffixes: frozenset[str] = frozenset()
    first: "Sample | None" = None

    def objects(self, *keys: str) -> list[dict[str, Any]]:
        """RETURNS (list[dict]): The values that are objects with all given keys."""
        return [v for v in self.values if isinstance(v, dict) and v.keys() >= {*keys}]


@dataclass(frozen=True)
class Format:
    """An annotation format.

    name (str): Name of the format.
    about (str): Short description.
    read (Callable): The reader.
    fits (Callable): Whether a sample of a file is in this format.
    options (tuple[str, ...]): Settings of the reader other than `path` and `skip`.
    """

    name: str
    about: str
    read: Callable[..., Iterator[Record]]
    fits: Callable[[Sample], bool]
    options: tuple[str, ...] = ()


def _is_spert(sample: Sample) -> bool:
    return any(
        isinstance(v["tokens"], list) and isinstance(v["entities"], list)
        for v in sample.objects("tokens", "entities", "relations")
    )


def _is_dygie(sample: Sample) -> bool:
    return any("ner" in v or "relations" in v for v in sample.objects("sentences"))


def _is_prodigy(sample: Sample) -> bool:
    marks = {"tokens", "answer", "_input_hash", "_task_hash", "_view_id"}
    return any(
        ("spans" in v or "relations" in v)
        and (
            marks & v.keys()
            or _items_have(v.get("spans"), "start", "end")
            or _items_have(v.get("relations"), "head", "child")
        )
        for v in sample.objects("text")
    )


def _is_doccano(sample: Sample) -> bool:
    return any(
        _items_have(v.get("entities"), "start_offset")
        or any(_items_have(user["entities"], "start_offset") for user in users_of(v))
        or _has_no_relations(v)
        for v in (*sample.objects("text"), *sample.objects("data"))
        if isinstance(v.get("text", v.get("data")), str)
    )


def _has_no_relations(value: dict[str, Any]) -> bool:
    """Whether a value is from another export of doccano. The reader names the right
    one."""
    if _items_have(value.get("annotations"), "start_offset", "label"):  # until 1.4
        return True
    for rows in (value.get("label"), value.get("labels")):
        if isinstance(rows, list):
            if any(isinstance(row, list) and len(row) == 3 for row in rows):
                return True
            names = any(isinstance(row, str) for row in rows)
            if (names or (not rows and "id" in value)) and value.keys() <= _SMALL:
                return True
    return False


def _is_label_studio(sample: Sample) -> bool:
    if sample.first and sample.suffixes <= {"", ".json"}:  # folder of a target storage
        return _is_label_studio(sample.first)
    whole = [v for v in sample.objects("data") if isinstance(v["data"], dict)]
    storage = [v for v in sample.objects("result") if isinstance(v["result"], list)]
    small = [
        v
        for v in sample.objects("text")
        if "annotation_id" in v or _items_have(v.get("label"), "labels")
    ]
    annotations = {"annotations", "completions", "predictions"}
    return (
        bool(small)
        or any("task" in v or "completed_by" in v for v in storage)
        or any(annotations & v.keys() for v in whole)
    )


def _is_ubiai(sample: Sample) -> bool:
    return any(
        _items_have(v["tokens"], "entityLabel")
        or _items_have(v.get("relations"), "relationLabel")
        for v in sample.objects("document", "tokens")
    )


def _is_gliner(sample: Sample) -> bool:
    return any("ner" in v or "relations" in v for v in sample.objects("tokenized_text"))


def _is_inception(sample: Sample) -> bool:
    return (
        bool(sample.suffixes & {".xmi", ".zip"})
        or bool(sample.objects("%FEATURE_STRUCTURES"))
        or any("<xmi:XMI" in line for line in sample.lines[:3])
    )


def _is_bioc(sample: Sample) -> bool:
    sample = sample.first or sample
    return is_bioc(sample.values, sample.lines)


def _is_pubannotation(sample: Sample) -> bool:
    return any(map(is_pubannotation, (sample.first or sample).objects("text")))


def _is_ddi(sample: Sample) -> bool:
    if _is_bioc(sample):
        return False
    if ".xml" in sample.suffixes and not sample.lines:  # a folder
        return not sample.suffixes & {".xmi", ".zip"}
    return any("<document" in line for line in sample.lines[:5]) and any(
        "<sentence" in line for line in sample.lines
    )


def _is_webanno(sample: Sample) -> bool:
    if not sample.lines:  # a folder
        others = {".xmi", ".zip", ".xml", ".ann", ".a1", ".a2", ".spacy"}
        return ".tsv" in sample.suffixes and not sample.suffixes & others
    return sample.lines[0].startswith(HEADER)


def _items_have(items: Any, *keys: str) -> bool:
    return isinstance(items, list) and any(
        isinstance(item, dict) and item.keys() >= {*keys} for item in items
    )


def _is_conll04(sample: Sample) -> bool:
    columns = sample.lines[0].split("\t") if sample.lines else []
    return len(columns) == 9 and columns[0].isdecimal() and columns[2].isdecimal()


def _ade_arguments(sample: Sample) -> list[str]:
    """The first arguments, if most lines have the form of a .rel file."""
    rows = [line.split("|") for line in sample.lines]
    rows = [row for row in rows if len(row) == 8 and row[0].isdecimal()]
    return [row[2] for row in rows] if 2 * len(rows) > len(sample.lines) else []


def _is_dose(sample: Sample) -> bool:
    arguments = _ade_arguments(sample)
    # half of the doses contain a digit, but only 1 of 200 adverse effects
    return 5 * sum(bool(re.search(r"\d", a)) for a in arguments) > len(arguments)


def _is_inline(sample: Sample) -> bool:
    marked = re.compile(r"\[(\\.|[^|\[\]\\])+\|[^\s|\[\]\\][^|\[\]\\]*\]")
    return (
        not sample.values
        and any(marked.search(line) for line in sample.lines)
        and not is_conllu(sample.lines)
        and not is_pubtator(sample.lines)
    )


FORMATS: dict[str, Format] = {
    format.name: format
    for format in (
        Format("inline", "text with [marks|LABEL]", read_inline, _is_inline),
        Format("spert", "JSON of SpERT, SINET", read_spert_json, _is_spert),
        Format("dygie", "JSON lines of DyGIE, PURE", read_dygie, _is_dygie),
        Format("conll04", "conll04.corp", read_conll04, _is_conll04),
        Format(
            "multihead",
            "BIO and head columns",
            read_multihead,
            lambda s: bool(s.lines) and s.lines[0].startswith("#doc"),
        ),
        Format(
            "conllu",
            "CoNLL-U Plus with # relations",
            read_conllu,
            lambda s: is_conllu(s.lines),
            options=("discontinuous",),
        ),
        Format(
            "ade",
            "DRUG-AE.rel",
            read_ade,
            lambda s: bool(_ade_arguments(s)) and not _is_dose(s),
        ),
        Format("ade-dose", "DRUG-DOSE.rel", read_ade_dose, _is_dose),
        Format(
            "ade-neg",
            "ADE-NEG.txt",
            read_ade_negatives,
            lambda s: bool(s.lines) and bool(re.match(r"\d+ NEG ", s.lines[0])),
        ),
        Format(
            "spo",
            "spo_list JSON lines of DuIE, CMeIE, CH-DDI",
            read_spo,
            lambda s: bool(s.objects("text", "spo_list")),
            options=("repeats",),
        ),
        Format(
            "triples",
            "triple_list JSON of NYT, WebNLG",
            read_triples,
            lambda s: bool(s.objects("text", "triple_list")),
            options=("repeats",),
        ),
        Format(
            "brat",
            "a folder of .txt and .ann",
            read_brat,
            lambda s: bool(s.suffixes & _ANNOTATIONS),
            options=("discontinuous", "events"),
        ),
        Format(
            "ddi",
            "XML of DDI 2013",
            read_ddi,
            _is_ddi,
            options=("discontinuous",),
        ),
        Format(
            "bioc",
            "BioC XML or JSON",
            read_bioc,
            _is_bioc,
            options=("discontinuous", "repeats"),
        ),
        Format(
            "pubtator",
            "PubTator",
            read_pubtator,
            lambda s: is_pubtator(s.lines),
            options=("repeats",),
        ),
        Format(
            "pubannotation",
            "JSON of PubAnnotation",
            read_pubannotation,
            _is_pubannotation,
            options=("discontinuous",),
        ),
        Format(
            "prodigy",
            "rel.manual JSON lines",
            read_prodigy,
            _is_prodigy,
            options=("lang",),
        ),
        Format(
            "label-studio",
            "JSON export",
            read_label_studio,
            _is_label_studio,
            options=("text_field", "relation_label", "predictions"),
        ),
        Format("doccano", "JSONL(relation)", read_doccano, _is_doccano),
        Format("ubiai", "JSON export", read_ubiai, _is_ubiai),
        Format("gliner", "JSON of GLiNER, GLiREL", read_gliner, _is_gliner),
        Format(
            "docred",
            "JSON of DocRED, Re-DocRED",
            read_docred,
            lambda s: bool(s.objects("sents", "vertexSet")),
        ),
        Format(
            "tacred",
            "JSON of TACRED, Re-TACRED",
            read_tacred,
            lambda s: bool(s.objects("token", "subj_start", "obj_start")),
        ),
        Format(
            "uie",
            "JSON lines of UIE",
            read_uie,
            lambda s: bool(s.objects("text", "tokens", "entity", "relation")),
            options=("discontinuous",),
        ),
        Format(
            "uie-prompts",
            "JSON lines of PaddleNLP's UIE",
            read_uie_prompts,
            lambda s: bool(s.objects("content", "prompt", "result_list")),
        ),
        Format(
            "inception",
            "UIMA CAS, XMI or JSON",
            read_inception,
            _is_inception,
            options=("features",),
        ),
        Format(
            "webanno",
            "WebAnno TSV 3",
            read_webanno,
            _is_webanno,
            options=("features",),
        ),
        Format(
            "spacy",
            "a .spacy file",
            read_docbin_records,
            lambda s: ".spacy" in s.suffixes,
        ),
    )
}


def find_format(name: str) -> Format:
    """RAISES (ValueError): J701 for an unknown name."""
    if name not in FORMATS:
        raise JREError(Errors.J701.format(value=name, known=", ".join(FORMATS)))
    return FORMATS[name]


def guess_format(path: Path) -> Format:
    """Guess the format of a file or folder from its content.

    path (Path): The file or folder.
    RETURNS (Format): The format.
    RAISES (ValueError): J601 if the path does not exist, J602 if the file is empty,
        J610 if no format fits, J611 if several formats fit, J665-J667 for the file.
    """
    sample = take_sample(path)
    formats = [format for format in FORMATS.values() if format.fits(sample)]
    if not formats:
        if path.is_file() and is_empty(path):
            raise JREError(Errors.J602.format(path=path))
        known = ", ".join(f"{f.name} ({f.about})" for f in FORMATS.values())
        raise JREError(Errors.J610.format(path=path, known=known))
    if len(formats) > 1:
        candidates = ", ".join(format.name for format in formats)
        raise JREError(Errors.J611.format(path=path, candidates=candidates))
    return formats[0]


def is_empty(path: Path) -> bool:
    """Whether a file has only whitespace, or an empty JSON value."""
    with open_file(path) as file:
        head = file.read(HEAD).removeprefix(BOM_UTF8)
    return b"".join(head.split()) in (b"", b"[]", b"{}")


def take_sample(path: Path) -> Sample:
    """RAISES (ValueError): J601 if the path does not exist, J665 and J666 for a damaged
    or too large gzip file, J667 for a text in UTF-16 or UTF-32."""
    if path.is_dir():
        # the reader reports the links that are not followed
        files = walk_files(path, skip=lambda left_out: None)[:10_000]
        names = {without_gz(file) for file in files}
        texts = {file.with_suffix("") for file in names if file.suffix == ".txt"}
        if any(f.suffix in _ANNOTATIONS and f.with_suffix("") in texts for f in names):
            # the other files are of the corpus, but not its annotation
            return Sample(suffixes=frozenset({".ann"}))
        suffixes = frozenset(map(inner_suffix, files))
        shown = [file for file in files if not file.name.startswith(".")]
        known = (".xml", ".json")
        if {inner_suffix(file) for file in shown} <= {"", ".json"}:
            known = ("", ".json")  # files of Label Studio's target storages
        read = (file for file in shown if inner_suffix(file) in known)
        first = None
        with suppress(JREError):  # the reader reports the error
            first = next(map(take_sample, read), None)
        return Sample(suffixes=suffixes, first=first)
    suffixes = frozenset({inner_suffix(path)})
    with open_file(path) as file:
        head = file.read(HEAD)
    encoding = find_wide_encoding(head)
    if b"\0" in head and not encoding:  # binary: only the suffix is used
        return Sample(suffixes=suffixes)
    text = head.decode(encoding or "utf-8-sig", errors="replace")
    first_character = text.lstrip()[:1]
    if encoding and first_character != "<":  # XML parsers support UTF-16
        problem = describe_encoding(head)
        raise JREError(Errors.J667.format(path=path, problem=problem))
    lines = tuple(line for line in text.splitlines() if line.strip())
    values: list[Any] = []
    # lines of an indented object can be valid JSON, too
    if first_character == "{" and lines[0].strip() != "{":
        values = _parse_lines(path)
    if first_character == "[" or (first_character == "{" and not values):
        values = _parse_values(text)
        if not values:
            with open_file(path) as file:
                text = file.read(MAX_LINE).decode("utf-8-sig", errors="replace")
            values = _parse_values(text)
    return Sample(tuple(values), lines, suffixes)


def _parse_lines(path: Path) -> list[Any]:
    values = []
    with open_file(path) as file:
        for _ in range(VALUES):
            line = file.readline(MAX_LINE + 1).decode("utf-8-sig", errors="replace")
            try:
                values.append(json.loads(line))
            except (ValueError, RecursionError):
                continue  # the reader reports the error
    return values


def _parse_values(text: str) -> list[Any]:
    """Parse the first elements of a list, or an object, up to the first error."""
    decode = json.JSONDecoder().raw_decode
    separator = re.compile(r"[\s,]*")
    position = text.index("[") + 1 if text.lstrip().startswith("[") else 0
    values: list[Any] = []
    while len(values) < VALUES:
        try:
            value, position = decode(text, separator.match(text, position).end())  # type: ignore[union-attr]
        except (ValueError, RecursionError):
            break
        values.append(value)
    return values
