"""Exports of INCEpTION and WebAnno: UIMA CAS as XMI or JSON.

Supported are the ``.zip`` or ``.xmi`` of a document with its TypeSystem.xml, a UIMA CAS
JSON, the zip of a project, and a folder of these. For a project, each annotator's
version of a document is read, or only the curated version if there is one.

Named entities and the spans of custom layers become entities. The head of a relation is
the Governor, which INCEpTION draws as the source, and the tail is the Dependent. The
label is the feature ``value`` or ``label``, or the only string feature. If the layer
has no string feature, the label is the name of the layer. Chains and slot links are
left out.
"""

import json
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from io import BytesIO
from itertools import chain
from keyword import iskeyword
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from ...annotations import EntityRecord, LeftOut, Record, RelationRecord
from ...errors import Errors, JREError
from ..sources import (
    Location,
    OnSkip,
    each_record,
    inner_suffix,
    read_bytes,
    readable_name,
    refuse,
    refuse_doctype,
    stays_inside,
    walk_files,
)

if TYPE_CHECKING:
    from cassis import Cas, TypeSystem
    from cassis.typesystem import FeatureStructure

_NAMED_ENTITY = "de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity"
_SENTENCE = "de.tudarmstadt.ukp.dkpro.core.api.segmentation.type.Sentence"
_META_DATA = "de.tudarmstadt.ukp.dkpro.core.api.metadata.type.DocumentMetaData"
# tokens, lemmas, dependencies, PDF and HTML layout ...: not user-defined layers
_BUILT_IN = ("uima.", "de.tudarmstadt.ukp.", "org.dkpro.core.")

# folders of a project export that have one folder per document
_VERSIONS = ("annotation", "curation")

# bytes of a member of a zip, and of all members including those of nested zips
MAX_MEMBER = 1 << 27
MAX_ARCHIVE = 1 << 31

Files = dict[PurePosixPath, Callable[[], bytes]]
Annotation = tuple[Location, Any]


@dataclass(frozen=True)
class _Document:
    location: Location
    name: str
    read: Callable[[], bytes]
    read_types: Callable[[], bytes]  # not for JSON, which includes the types


@dataclass
class _Budget:
    """Number of bytes that the zips of a source can still unpack to."""

    remaining: int


def read_inception(path: Path, *, skip: OnSkip = refuse) -> Iterator[Record]:
    """
    path (Path): A file or folder, see above.
    skip (Callable): Called for each skipped document.
    YIELDS (Record): One per document, or one per annotator of a document.
    RAISES (ValueError): J615 without dkpro-cassis; J601, J602, J612 for the file. With
        `refuse`: J612 for a document that is not a CAS or has no type system, J107 for
        an entity, J617 for a symbolic link to a target outside the folder, J618 for a
        zip or a member that is too large, J619, J623.
    """
    try:
        import cassis  # noqa: F401
    except ImportError as error:
        raise JREError(Errors.J615.format(path=path)) from error
    return each_record(_find_documents(path, skip), _read_document, skip)


def _find_documents(path: Path, skip: OnSkip) -> Iterator[_Document]:
    budget = _Budget(MAX_ARCHIVE)
    files: Files
    if path.is_dir():
        files = {
            _name(member.relative_to(path)): partial(read_bytes, member)
            for member in walk_files(path, skip)
        }
    elif not path.is_file():
        raise JREError(Errors.J601.format(path=path))
    elif inner_suffix(path).lower() == ".zip":
        files = _open_zip(path, partial(read_bytes, path), budget, skip)
    else:
        files = {
            _name(Path(member.name)): partial(read_bytes, member)
            for member in path.parent.iterdir()
            if member.name == path.name
            or (
                member.name.lower() in ("typesystem.xml", "typesystem.xml.gz")
                and stays_inside(member, path.parent, skip)
            )
        }
    documents = _in_files(path, files, skip, budget)
    first = next(documents, None)
    if first is None:
        raise JREError(Errors.J602.format(path=path))
    yield from chain([first], documents)


def _name(path: Path) -> PurePosixPath:
    """The name of a file, without ``.gz``."""
    name = PurePosixPath(readable_name(path))
    return name.with_suffix("") if name.suffix.lower() == ".gz" else name


def _open_zip(
    path: object, read: Callable[[], bytes], budget: _Budget, skip: OnSkip
) -> Files:
    """Get the members of a zip. Nothing is extracted to disk.

    RAISES (ValueError): J612 for a file that is not a zip, J618 if it is too large.
    """
    try:
        archive = ZipFile(BytesIO(read()))
        members = [info for info in archive.infolist() if not info.is_dir()]
    except Exception as error:  # zipfile raises various errors
        raise _unreadable(path, error) from error
    size = sum(info.file_size for info in members)
    if size > budget.remaining:
        problem = f"it unpacks to {size} bytes, more than the limit {budget.remaining}"
        raise JREError(Errors.J618.format(path=path, problem=problem))
    budget.remaining -= size
    files: Files = {}
    for info in members:
        name = PurePosixPath(info.filename)
        problem = ""
        if info.file_size > MAX_MEMBER:
            size = info.file_size
            problem = f"the member has {size} bytes, more than {MAX_MEMBER}"
        elif info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            # zipfile cannot unpack the other methods in chunks
            problem = f"the compression method {info.compress_type} is not supported"
        elif name in files:
            problem = "the archive has two members of this name"
        if problem:
            reason = Errors.J618.format(path=f"{path}, {name}", problem=problem)
            skip(LeftOut("record", reason, broken=True))
            continue
        files[name] = partial(_read_member, archive, info)
    return files


def _read_member(archive: ZipFile, info: ZipInfo) -> bytes:
    # read() without a size can unpack more data than the header states
    with archive.open(info) as file:
        return file.read(info.file_size + 1)


def _unreadable(path: object, error: Exception) -> JREError:
    problem = f"cannot be read: {type(error).__name__}: {error}"
    return JREError(Errors.J612.format(path=path, problem=problem))


def _in_files(
    path: Path,
    files: Files,
    skip: OnSkip,
    budget: _Budget,
    zips: tuple[str, ...] = (),
    title: str = "",
) -> Iterator[_Document]:
    """Find the documents in the files of a folder or zip, including nested zips."""
    types = {
        name.parent: read
        for name, read in files.items()
        if name.name.lower() == "typesystem.xml"
    }
    # for the export of a project. Its other folders have the imported documents
    versions = [name.parts for name in files if len(name.parts) == 3]
    is_project = any(top == "annotation" for top, _, _ in versions)
    curated = {title for top, title, _ in versions if top == "curation"}
    for name, read in sorted(files.items()):
        location = Location(path, ", ".join([*zips, str(name)]))
        if name.name.startswith("."):  # system files
            continue
        if is_project:
            if name.parts not in versions or name.parts[0] not in _VERSIONS:
                continue
            title = name.parts[1]
            if name.stem == "INITIAL_CAS":  # the document without annotation
                continue
            if name.parts[0] == "annotation" and title in curated:
                skip(LeftOut("record", f"{location}: the curated version is read"))
                continue
        # at most two levels: the zips of projects, and the zips of their documents
        if name.suffix.lower() == ".zip" and len(zips) < 2:
            try:
                members = _open_zip(location, read, budget, skip)
            except ValueError as error:
                skip(LeftOut("record", str(error), broken=True))
                continue
            inner = (*zips, str(name))
            yield from _in_files(path, members, skip, budget, inner, title)
        elif name.suffix.lower() in (".xmi", ".json"):
            candidates = (types[folder] for folder in name.parents if folder in types)
            read_types = next(candidates, _no_types)
            yield _Document(location, title or name.stem, read, read_types)


def _no_types() -> bytes:
    raise FileNotFoundError(
        "its TypeSystem.xml is missing. Keep the files of an export together"
    )


def _load(document: _Document) -> "Cas":
    """RAISES (ValueError): J612 for a document that cassis cannot read, J619 for a
    DOCTYPE, J623 for an invalid name of a feature."""
    import cassis

    location = document.location
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as a feature defined twice
            # by default, cassis keeps offsets outside the text
            warnings.filterwarnings("error", message="Not mapping external offset")
            data = document.read()
            if location.where.lower().endswith(".json"):
                for name, features in json.loads(data)["%TYPES"].items():
                    names = (key for key in features if not key.startswith("%"))
                    _check_names(location, name, names)
                return cassis.load_cas_from_json(BytesIO(data))
            refuse_doctype(data, location)
            type_system = document.read_types()
            refuse_doctype(type_system, f"{location}, TypeSystem.xml")
            types = _load_types(type_system)
            for layer in types.get_types():
                names = (feature.name for feature in layer.all_features)
                _check_names(location, layer.name, names)
            return cassis.load_cas_from_xmi(BytesIO(data), typesystem=types)
    except JREError:
        raise
    except Exception as error:  # lxml and cassis raise various errors
        raise _unreadable(location, error) from error


def _check_names(location: Location, name: str, features: Iterable[str]) -> None:
    """Check the names of the features of a type.

    cassis creates a class for the type with attrs, which generates and runs source code
    that contains the names.

    RAISES (ValueError): J623 for an invalid name.
    """
    for feature in features:
        valid = feature.isidentifier() and not iskeyword(feature)
        if not valid or feature.startswith("__"):
            raise JREError(Errors.J623.format(path=location, type=name, name=feature))


@lru_cache(maxsize=2)  # the documents of a project share a type system
def _load_types(data: bytes) -> "TypeSystem":
    import cassis

    return cassis.load_typesystem(BytesIO(data))


def _read_document(document: _Document) -> Record:
    cas, location = _load(document), document.location
    text = location.check("sofaString", cas.sofa_string, str)
    name = document.name
    sentences: list[tuple[int, int]] = []
    spans, relations = [], []
    left_out: list[LeftOut] = []
    # in file order: INCEpTION numbers the annotations consecutively
    for annotation in sorted(
        cas.select("uima.tcas.Annotation"), key=lambda annotation: annotation.xmiID
    ):
        layer = annotation.type
        here = location.at(f"{layer.short_name} {annotation.xmiID}")
        for field in ("begin", "end"):
            here.check(field, getattr(annotation, field), int)
        if layer.name == _SENTENCE:
            sentences.append((annotation.begin, annotation.end))
        elif layer.name == _META_DATA:
            name = getattr(annotation, "documentTitle", None) or name
        elif layer.name != _NAMED_ENTITY and layer.name.startswith(_BUILT_IN):
            continue
        elif layer.get_feature("Governor") and layer.get_feature("Dependent"):
            relations.append((here, annotation))
        elif layer.get_feature("next"):
            left_out.append(LeftOut("chain", f"{here}: a chain link"))
        else:
            spans.append((here, annotation))
    entities, numbers = _read_spans(spans, left_out)
    relation_records = tuple(_read_relations(relations, numbers, left_out))
    return Record(
        text=text,
        entities=tuple(entities),
        relations=relation_records,
        sentences=tuple(sorted(sentences)) if len(sentences) > 1 else None,
        document=str(name),
        left_out=tuple(left_out),
        source=str(location),
    )


def _read_spans(
    spans: list[Annotation], left_out: list[LeftOut]
) -> tuple[list[EntityRecord], dict[Any, int]]:
    """Read the entities. Also returns a dict: id of the annotation -> entity index."""
    entities: list[EntityRecord] = []
    numbers: dict[Any, int] = {}
    for here, span in spans:
        for feature in span.type.all_features:
            links = getattr(getattr(span, feature.name), "elements", None)
            if isinstance(links, list) and links:
                reason = f"{here}: {len(links)} link(s) in {feature.name}"
                left_out.append(LeftOut("slot", reason))
        label = _label(span)
        if label is None:
            left_out.append(LeftOut("entity", f"{here}: the span has no label"))
        elif span.begin == span.end:
            left_out.append(LeftOut("entity", f"{here}: the span covers no text"))
        else:
            numbers[span.xmiID] = len(entities)
            entities.append(EntityRecord(span.begin, span.end, label))
    return entities, numbers


def _read_relations(
    relations: list[Annotation], numbers: dict[Any, int], left_out: list[LeftOut]
) -> Iterator[RelationRecord]:
    for here, relation in relations:
        head, tail = (
            numbers.get(getattr(getattr(relation, role), "xmiID", None))
            for role in ("Governor", "Dependent")
        )
        label = _label(relation)
        if label is None:
            left_out.append(LeftOut("relation", f"{here}: the relation has no label"))
        elif head is None or tail is None:
            reason = (
                f"{here}: the relation {label!r} has an argument that is not an entity"
            )
            left_out.append(LeftOut("relation", reason))
        else:
            yield RelationRecord(head, tail, label)


def _label(annotation: "FeatureStructure") -> str | None:
    layer = annotation.type
    strings = [
        feature.name
        for feature in layer.all_features
        if feature.rangeType.name == "uima.cas.String"
    ]
    if not strings:
        return layer.short_name
    named = [name for name in ("value", "label") if name in strings]
    for name in named or (strings if len(strings) == 1 else []):
        label = getattr(annotation, name)
        if isinstance(label, str) and label:
            return label
    return None
