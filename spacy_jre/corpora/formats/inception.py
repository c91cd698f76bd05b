"""Exports of INCEpTION and WebAnno: UIMA CAS as XMI or JSON, or WebAnno TSV 3.

Supported are the ``.zip`` or ``.xmi`` of a document with its TypeSystem.xml, a UIMA CAS
JSON, the zip of a project, and a folder of these. For a project, each annotator's
version of a document is read, or only the curated version if there is one. See
webanno.py for ``.tsv`` files.

Named entities and the spans of custom layers become entities. The head of a relation is
the Governor, which INCEpTION draws as the source, and the tail is the Dependent. The
label is the feature ``value`` or ``label``, or the only string feature. If the layer
has no string feature, the label is the name of the layer. If it has several, the label
must be chosen. Chains and slot links are left out.
"""

import json
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from io import BytesIO
from itertools import chain
from keyword import iskeyword
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from ...annotations import LeftOut, Record
from ...errors import Errors, JREError
from ..rows import UNKNOWN_ARGUMENT, RowError, Rows
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
from .uima import (
    CHAIN,
    NO_TEXT,
    NOT_AN_ENTITY,
    SLOT,
    check_features,
    find_label,
    is_annotated,
)
from .webanno import HEADER, read_table

if TYPE_CHECKING:
    from cassis import Cas, TypeSystem
    from cassis.typesystem import Type

_SENTENCE = "de.tudarmstadt.ukp.dkpro.core.api.segmentation.type.Sentence"
_META_DATA = "de.tudarmstadt.ukp.dkpro.core.api.metadata.type.DocumentMetaData"
_XMI = "{http://www.omg.org/XMI}"

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
class _Search:
    """The search for documents in a source.

    remaining (int): Number of bytes that the zips of the source can still unpack to.
    other (Counter[str]): Suffix -> number of files that are not documents.
    """

    remaining: int
    other: Counter[str] = field(default_factory=Counter)


def read_inception(
    path: Path, *, skip: OnSkip = refuse, features: Sequence[str] = ()
) -> Iterator[Record]:
    """
    path (Path): A file or folder, see above.
    skip (Callable): Called for each skipped document.
    features (Sequence[str]): The features that are the labels, such as "role" or
        "Event=role", where Event is a layer.
    YIELDS (Record): One per document, or one per annotator of a document. ``left_out``
        has the broken annotations, and chains and slots, which records do not have.
    RAISES (ValueError): J615 without dkpro-cassis; J601, J612, J651 for the file. With
        `refuse`: J612 for a document that is not a CAS or has no type system, J605 for
        an annotation, J617 for a symbolic link to a target outside the folder, J618 for
        a zip or a member that is too large, J619, J623, J650 for a feature that no
        layer has, J652 for WebAnno TSV.
    """
    try:
        import cassis  # noqa: F401
    except ImportError as error:
        raise JREError(Errors.J615.format(path=path)) from error
    parse = partial(_read_document, chosen=features)
    return each_record(_find_documents(path, skip), parse, skip)


def _find_documents(path: Path, skip: OnSkip) -> Iterator[_Document]:
    search = _Search(MAX_ARCHIVE)
    files: Files
    if path.is_dir():
        files = {
            _name(member.relative_to(path)): partial(read_bytes, member)
            for member in walk_files(path, skip)
        }
    elif not path.is_file():
        raise JREError(Errors.J601.format(path=path))
    elif inner_suffix(path).lower() == ".zip":
        files = _open_zip(path, partial(read_bytes, path), search, skip)
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
    documents = _in_files(path, files, skip, search)
    first = next(documents, None)
    if first is None:
        raise _no_documents(path, search.other)
    yield from chain([first], documents)


def _name(path: Path) -> PurePosixPath:
    """The name of a file, without ``.gz``."""
    name = PurePosixPath(readable_name(path))
    return name.with_suffix("") if name.suffix.lower() == ".gz" else name


def _no_documents(path: object, suffixes: Counter[str]) -> JREError:
    counts = [f"{count} {suffix}" for suffix, count in suffixes.most_common(5)]
    found = ", ".join(counts) or "none"
    return JREError(Errors.J651.format(path=path, found=found))


def _open_zip(
    path: object, read: Callable[[], bytes], search: _Search, skip: OnSkip
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
    if size > search.remaining:
        problem = f"it unpacks to {size} bytes, more than the limit {search.remaining}"
        raise JREError(Errors.J618.format(path=path, problem=problem))
    search.remaining -= size
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
    """RETURNS (JREError): J612 with the problem in terms of the format."""
    name, text = type(error).__name__, str(error)
    again = "Export the document again as UIMA CAS XMI or UIMA CAS JSON."
    same = "Keep the document with the TypeSystem.xml of the same export."
    problem = f"cannot be read: {name}: {text}"
    if isinstance(error, FileNotFoundError):  # see _no_types
        problem = text
    elif isinstance(error, BadZipFile):
        problem = f"is not a valid zip: {text}. Export it again."
    elif name in ("XMLSyntaxError", "ParseError", "ExpatError"):
        problem = f"is not valid XML: {text}. {again}"
    elif name in ("JSONDecodeError", "UnicodeDecodeError"):
        problem = f"is not valid JSON: {text}. {again}"
    elif name == "TypeNotFoundError":
        problem = f"does not match its type system: {text}. {same}"
    elif unknown := re.search(r"unexpected keyword argument ('\w+')", text):
        feature = unknown[1]
        problem = f"does not match its type system, which has no {feature}. {same}"
    elif isinstance(error, KeyError):
        problem = f"is not a valid UIMA CAS: {text} is missing. {again}"
    elif isinstance(error, ValueError):
        problem = f"is not a valid UIMA CAS: {text}. {again}"
    elif isinstance(error, AttributeError | IndexError | TypeError):
        problem = (
            f"is not a valid UIMA CAS: a value is missing or has another type. {again}"
        )
    return JREError(Errors.J612.format(path=path, problem=problem))


def _in_files(
    path: Path,
    files: Files,
    skip: OnSkip,
    search: _Search,
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
    is_project = any(
        name.parts[0] == "annotation"
        # some versions add a number to the name
        or re.fullmatch(r"exportedproject\d*\.json", str(name))
        for name in files
        if len(name.parts) in (1, 3)
    )
    curated = {title for top, title, _ in versions if top == "curation"}
    for name, read in sorted(files.items()):
        location = Location(path, ", ".join([*zips, str(name)]))
        if name.name.startswith("."):  # system files
            continue
        if is_project:
            if name.parts not in versions or name.parts[0] not in _VERSIONS:
                search.other[name.suffix] += 1
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
                members = _open_zip(location, read, search, skip)
            except ValueError as error:
                skip(LeftOut("record", str(error), broken=True))
                continue
            inner, others = (*zips, str(name)), search.other.copy()
            documents = _in_files(path, members, skip, search, inner, title)
            first = next(documents, None)
            if first is None:
                reason = str(_no_documents(location, search.other - others))
                skip(LeftOut("record", reason, broken=True))
                continue
            yield from chain([first], documents)
        elif name.suffix.lower() in (".xmi", ".json", ".tsv"):
            if name.suffix.lower() == ".tsv" and not _is_webanno(read):
                search.other[name.suffix] += 1
                continue
            candidates = (types[folder] for folder in name.parents if folder in types)
            read_types = next(candidates, _no_types)
            yield _Document(location, title or name.stem, read, read_types)
        elif name.name.lower() != "typesystem.xml":
            search.other[name.suffix] += 1


def _is_webanno(read: Callable[[], bytes]) -> bool:
    try:
        return HEADER.encode() in read()[: len(HEADER) + 3]
    except Exception:  # zipfile raises various errors, which are reported when reading
        return True


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
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("ignore")  # such as a feature defined twice
            # cassis keeps offsets outside the text, which Rows reports
            warnings.filterwarnings("always", message="Not mapping external offset")
            data = document.read()
            if location.where.lower().endswith(".json"):
                for name, features in json.loads(data)["%TYPES"].items():
                    names = (key for key in features if not key.startswith("%"))
                    _check_names(location, name, names)
                cas = cassis.load_cas_from_json(BytesIO(data))
            else:
                refuse_doctype(data, location)
                type_system = document.read_types()
                refuse_doctype(type_system, f"{location}, TypeSystem.xml")
                types = _load_types(type_system)
                for layer in types.get_types():
                    names = (feature.name for feature in layer.all_features)
                    _check_names(location, layer.name, names)
                load = partial(cassis.load_cas_from_xmi, typesystem=types)
                try:
                    cas = load(BytesIO(data))
                except KeyError:
                    cas = load(BytesIO(_without_unknown_ids(data)))
    except JREError:
        raise
    except Exception as error:  # lxml and cassis raise various errors
        raise _unreadable(location, error) from error
    _check_offsets(location, cas, [str(warning.message) for warning in caught])
    return cas


def _without_unknown_ids(data: bytes) -> bytes:
    """Remove references to annotations that do not exist: the arguments of relations,
    which are then reported, and the members of views."""
    root = ElementTree.fromstring(data)
    ids = {element.get(f"{_XMI}id") for element in root}
    for element in root:
        for role in ("Governor", "Dependent"):
            if element.get(role) not in ids:
                element.attrib.pop(role, None)
        members = element.get("members", "").split()
        if not ids.issuperset(members):
            element.set("members", " ".join(id for id in members if id in ids))
    return ElementTree.tostring(root)


def _check_offsets(location: Location, cas: "Cas", messages: list[str]) -> None:
    """Check the offsets that cassis kept because they are not those of a character.

    RAISES (ValueError): J612 for an offset inside a character. The annotation cannot be
        found, because another one can have the same offset in characters.
    """
    numbers = [re.search(r"\[(-?\d+)\]", message) for message in messages]
    text = cas.sofa_string
    for match in numbers:
        if match and isinstance(text, str) and 0 <= int(match[1]) <= len(text):
            problem = f"the offset {match[1]} is inside a character of two code units"
            raise JREError(Errors.J612.format(path=location, problem=problem))


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


def _read_document(document: _Document, *, chosen: Sequence[str]) -> Record:
    location = document.location
    if location.where.lower().endswith(".tsv"):
        try:
            data = document.read()
        except Exception as error:  # zipfile raises various errors
            raise _unreadable(location, error) from error

        def at(line: int) -> Location:
            return location.at(f"line {line}")

        return read_table(data, at, document.name, str(location), chosen)
    cas = _load(document)
    try:
        return _to_record(cas, document, chosen)
    except JREError:
        raise
    except Exception as error:  # a value of another type than in the type system
        raise _unreadable(location, error) from error


def _to_record(cas: "Cas", document: _Document, chosen: Sequence[str]) -> Record:
    location = document.location
    text = location.check("sofaString", cas.sofa_string, str)
    name = document.name
    sentences: list[tuple[int, int]] = []
    spans: list[Annotation] = []
    relations: list[Annotation] = []
    rows = Rows(text)
    layers: dict[str, list[str]] = {
        layer.name: _features(layer)
        for layer in cas.typesystem.get_types()
        if is_annotated(layer.name)
    }
    check_features(location, layers, chosen)
    # in file order: INCEpTION numbers the annotations consecutively
    for annotation in sorted(
        cas.select("uima.tcas.Annotation"), key=lambda annotation: annotation.xmiID
    ):
        layer = annotation.type
        here = location.at(f"{layer.short_name} {annotation.xmiID}")
        if layer.name == _SENTENCE:
            with rows.row("sentence"):
                bounds = _offsets(here, annotation)
                if not 0 <= bounds[0] <= bounds[1] <= len(text):
                    raise here.error("begin/end", f"is {bounds}, outside the text")
                sentences.append(bounds)
        elif layer.name == _META_DATA:
            name = getattr(annotation, "documentTitle", None) or name
        elif layer.get_feature("next"):
            rows.leave_out("chain", f"{here}: a chain link", CHAIN)
        elif not is_annotated(layer.name):
            continue
        elif layer.get_feature("Governor") and layer.get_feature("Dependent"):
            relations.append((here, annotation))
        else:
            spans.append((here, annotation))
    _add_entities(rows, spans, chosen)
    _add_relations(rows, relations, {span.xmiID for _, span in spans}, chosen)
    return Record(
        **rows.fields(),
        sentences=tuple(sorted(sentences)) if len(sentences) > 1 else None,
        document=str(name),
        source=str(location),
    )


def _features(layer: "Type") -> list[str]:
    """RETURNS (list[str]): The features that can be the label."""
    return [
        feature.name
        for feature in layer.all_features
        if feature.rangeType.name == "uima.cas.String"
    ]


def _offsets(here: Location, annotation: Any) -> tuple[int, int]:
    """RAISES (ValueError): J605 for an offset that is missing or has another type."""
    return (
        here.check("begin", annotation.begin, int),
        here.check("end", annotation.end, int),
    )


def _add_entities(rows: Rows, spans: list[Annotation], chosen: Sequence[str]) -> None:
    for here, span in spans:
        for feature in span.type.all_features:
            links = getattr(getattr(span, feature.name), "elements", None)
            if isinstance(links, list) and links:
                reason = f"{here}: {len(links)} link(s) in {feature.name}"
                rows.leave_out("slot", reason, SLOT)
        key = span.xmiID
        with rows.row("entity", key=key):
            start, end = _offsets(here, span)
            if start == end:
                reason = f"{here}: the span covers no text"
                rows.leave_out("entity", reason, NO_TEXT, key=key)
                continue
            label = _find_label(rows, "entity", here, span, chosen, key)
            if label is not None:
                rows.add_entity(here, start, end, label, key)


def _add_relations(
    rows: Rows, relations: list[Annotation], spans: set[Any], chosen: Sequence[str]
) -> None:
    for here, relation in relations:
        with rows.row("relation"):
            ends = []
            for role in ("Governor", "Dependent"):
                argument = getattr(relation, role)
                if argument is None:
                    error = here.error(role, "is missing, or is not in the document")
                    raise RowError(error, UNKNOWN_ARGUMENT)
                ends.append(getattr(argument, "xmiID", None))
            label = _find_label(rows, "relation", here, relation, chosen)
            if label is None:
                continue
            if not spans.issuperset(ends):
                problem = "has an argument that is not an entity"
                reason = f"{here}: the relation {label!r} {problem}"
                rows.leave_out("relation", reason, NOT_AN_ENTITY)
            else:
                rows.add_relation(here, ends[0], ends[1], label)


def _find_label(
    rows: Rows,
    kind: str,
    here: Location,
    annotation: Any,
    chosen: Sequence[str],
    key: Any = None,
) -> str | None:
    names, value_of = _features(annotation.type), partial(getattr, annotation)
    layer = annotation.type.name
    return find_label(rows, kind, here, layer, names, value_of, chosen, key)
