"""Exports of INCEpTION and WebAnno: UIMA CAS as XMI or JSON.

A document's ``.zip`` or ``.xmi`` with its TypeSystem.xml, a UIMA CAS JSON, the zip of a
whole project, or a folder of these. Of a project each annotator's version of a document
is read, or the curated one alone where there is one.

Named entities and the spans of custom layers are entities. Relation layers go from
their Governor, which INCEpTION draws as the source, to their Dependent. The label is
the feature ``value`` or ``label``, or the only feature that is a string; in a layer
without any it is the name of the layer. Chains and the links of slots are left out.
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
    OnSkip,
    Place,
    each_record,
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
# tokens, lemmas, dependencies, the layout of PDF and HTML ...: no layers of a user
_BUILT_IN = ("uima.", "de.tudarmstadt.ukp.", "org.dkpro.core.")

# folders of a project's export with a folder per document
_VERSIONS = ("annotation", "curation")

# bytes of a member of a zip, and of all members together, those of zips in the zip too
MAX_MEMBER = 1 << 27
MAX_ARCHIVE = 1 << 31

Files = dict[PurePosixPath, Callable[[], bytes]]
Found = tuple[Place, Any]  # an annotation and where it is


@dataclass(frozen=True)
class _Document:
    place: Place
    name: str
    read: Callable[[], bytes]
    read_types: Callable[[], bytes]  # not for a JSON, which holds them itself


@dataclass
class _Budget:
    """How many bytes the zips of one source may still unpack to."""

    left: int


def read_inception(path: Path, *, skip: OnSkip = refuse) -> Iterator[Record]:
    """
    path (Path): A file or folder, see above.
    skip (Callable): Told of every document that is left out.
    YIELDS (Record): One per document, or per annotator of a document.
    RAISES (ValueError): J615 without dkpro-cassis; J601, J602, J612 for the file. By
        `refuse`: J612 for a document that is no CAS or has no type system, J107 for an
        entity, J617 for a symbolic link that leaves the folder, J618 for a zip or a
        member of one that is too large, J619, J623.
    """
    try:
        import cassis  # noqa: F401
    except ImportError as error:
        raise JREError(Errors.J615.format(path=path)) from error
    return each_record(_find_documents(path, skip), _read_document, skip)


def _find_documents(path: Path, skip: OnSkip) -> Iterator[_Document]:
    budget = _Budget(MAX_ARCHIVE)
    if path.is_dir():
        files = {
            PurePosixPath(readable_name(member.relative_to(path))): member.read_bytes
            for member in walk_files(path, skip)
        }
    elif not path.is_file():
        raise JREError(Errors.J601.format(path=path))
    elif path.suffix.lower() == ".zip":
        files = _open_zip(path, path.read_bytes, budget, skip)
    else:
        files = {
            PurePosixPath(readable_name(Path(member.name))): member.read_bytes
            for member in path.parent.iterdir()
            if member.name == path.name
            or (
                member.name.lower() == "typesystem.xml"
                and stays_inside(member, path.parent, skip)
            )
        }
    documents = _in_files(path, files, skip, budget)
    first = next(documents, None)
    if first is None:
        raise JREError(Errors.J602.format(path=path))
    yield from chain([first], documents)


def _open_zip(
    path: object, read: Callable[[], bytes], budget: _Budget, skip: OnSkip
) -> Files:
    """The members of a zip. Nothing is written: their names are only names.

    RAISES (ValueError): J612 for what is no zip, J618 where it is too large.
    """
    try:
        archive = ZipFile(BytesIO(read()))
        members = [info for info in archive.infolist() if not info.is_dir()]
    except Exception as error:  # zipfile breaks in many ways
        raise _unreadable(path, error) from error
    size = sum(info.file_size for info in members)
    if size > budget.left:
        problem = f"it unpacks to {size} bytes, of {budget.left} that are left for it"
        raise JREError(Errors.J618.format(path=path, problem=problem))
    budget.left -= size
    files: Files = {}
    for info in members:
        name = PurePosixPath(info.filename)
        problem = ""
        if info.file_size > MAX_MEMBER:
            size = info.file_size
            problem = f"the member has {size} bytes, more than {MAX_MEMBER}"
        elif info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            # zipfile cannot unpack the other methods piece by piece
            problem = f"the member has the compression method {info.compress_type}"
        elif name in files:
            problem = "the archive has two members of this name"
        if problem:
            reason = Errors.J618.format(path=f"{path}, {name}", problem=problem)
            skip(LeftOut("record", reason, broken=True))
            continue
        files[name] = partial(_read_member, archive, info)
    return files


def _read_member(archive: ZipFile, info: ZipInfo) -> bytes:
    # asked for all, zipfile unpacks what is there, however much the header says
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
    """The documents among the files of a folder or zip, and of the zips in it."""
    types = {
        name.parent: read
        for name, read in files.items()
        if name.name.lower() == "typesystem.xml"
    }
    # of a project's export; its other folders hold the documents as they came
    versions = [name.parts for name in files if len(name.parts) == 3]
    is_project = any(top == "annotation" for top, _, _ in versions)
    curated = {title for top, title, _ in versions if top == "curation"}
    for name, read in sorted(files.items()):
        place = Place(path, ", ".join([*zips, str(name)]))
        if name.name.startswith("."):  # a system's own
            continue
        if is_project:
            if name.parts not in versions or name.parts[0] not in _VERSIONS:
                continue
            title = name.parts[1]
            if name.stem == "INITIAL_CAS":  # as it was before anyone annotated it
                continue
            if name.parts[0] == "annotation" and title in curated:
                skip(LeftOut("record", f"{place}: the curated version is read"))
                continue
        # a folder of projects, each with a zip per document, and no deeper
        if name.suffix.lower() == ".zip" and len(zips) < 2:
            try:
                members = _open_zip(place, read, budget, skip)
            except ValueError as error:
                skip(LeftOut("record", str(error), broken=True))
                continue
            inner = (*zips, str(name))
            yield from _in_files(path, members, skip, budget, inner, title)
        elif name.suffix.lower() in (".xmi", ".json"):
            of_folders = (types[folder] for folder in name.parents if folder in types)
            read_types = next(of_folders, _no_types)
            yield _Document(place, title or name.stem, read, read_types)


def _no_types() -> bytes:
    raise FileNotFoundError(
        "there is no TypeSystem.xml beside it; keep the files of an export together"
    )


def _load(document: _Document) -> "Cas":
    """RAISES (ValueError): J612 for what cassis cannot read, J619 for a DOCTYPE, J623
    for the name of a feature."""
    import cassis

    place = document.place
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as a feature defined twice
            # cassis goes on with an offset outside of the text as it is
            warnings.filterwarnings("error", message="Not mapping external offset")
            data = document.read()
            if place.where.lower().endswith(".json"):
                for name, features in json.loads(data)["%TYPES"].items():
                    own = (key for key in features if not key.startswith("%"))
                    _refuse_names(place, name, own)
                return cassis.load_cas_from_json(BytesIO(data))
            refuse_doctype(data, place)
            of_types = document.read_types()
            refuse_doctype(of_types, f"{place}, TypeSystem.xml")
            types = _load_types(of_types)
            for found in types.get_types():
                names = (feature.name for feature in found.all_features)
                _refuse_names(place, found.name, names)
            return cassis.load_cas_from_xmi(BytesIO(data), typesystem=types)
    except JREError:
        raise
    except Exception as error:  # of lxml, and any of its own, such as KeyError
        raise _unreadable(place, error) from error


def _refuse_names(place: Place, name: str, features: Iterable[str]) -> None:
    """Check the names of a type's features.

    cassis makes a class of the type, and attrs the source code of its methods out of
    the names, which Python then runs.

    RAISES (ValueError): J623 for what is no name.
    """
    for feature in features:
        valid = feature.isidentifier() and not iskeyword(feature)
        if not valid or feature.startswith("__"):
            raise JREError(Errors.J623.format(path=place, type=name, name=feature))


@lru_cache(maxsize=2)  # every document of a project brings the same one
def _load_types(data: bytes) -> "TypeSystem":
    import cassis

    return cassis.load_typesystem(BytesIO(data))


def _read_document(document: _Document) -> Record:
    cas, place = _load(document), document.place
    text = place.check("sofaString", cas.sofa_string, str)
    name = document.name
    sentences: list[tuple[int, int]] = []
    spans, relations = [], []
    left_out: list[LeftOut] = []
    # as in the file: INCEpTION numbers annotations in their order
    for annotation in sorted(
        cas.select("uima.tcas.Annotation"), key=lambda found: found.xmiID
    ):
        layer = annotation.type
        here = place.at(f"{layer.short_name} {annotation.xmiID}")
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
            left_out.append(LeftOut("chain", f"{here}: a link of a chain"))
        else:
            spans.append((here, annotation))
    entities, numbers = _read_spans(spans, left_out)
    found = tuple(_read_relations(relations, numbers, left_out))
    return Record(
        text=text,
        entities=tuple(entities),
        relations=found,
        sentences=tuple(sorted(sentences)) if len(sentences) > 1 else None,
        document=str(name),
        left_out=tuple(left_out),
        source=str(place),
    )


def _read_spans(
    spans: list[Found], left_out: list[LeftOut]
) -> tuple[list[EntityRecord], dict[Any, int]]:
    """The entities, and their numbers by the numbers of the annotations."""
    entities: list[EntityRecord] = []
    numbers: dict[Any, int] = {}
    for here, span in spans:
        for feature in span.type.all_features:
            links = getattr(getattr(span, feature.name), "elements", None)
            if isinstance(links, list) and links:
                reason = f"{here}: {len(links)} link(s) of {feature.name}"
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
    relations: list[Found], numbers: dict[Any, int], left_out: list[LeftOut]
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
            reason = f"{here}: the relation {label!r} joins a span that is no entity"
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
