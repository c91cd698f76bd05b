"""A corpus reader for Docs with relations.

``spacy.Corpus.v1`` loses relations when it splits or augments Docs.
"""

import random
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import filter_spans

from ..annotations import (
    DEFAULT_ATTR,
    TextTooLongError,
    has_relations,
    read_gold,
    register_extension,
    span_as_doc,
    stored_relations,
    tokenize,
)
from ..annotations.align import TextAlignment
from ..annotations.given import group_of, is_source
from ..annotations.sentences import sentence_ranges
from ..errors import Errors, JREError, Warnings
from .checked_docbin import CheckedDocBin
from .sources import inner_suffix, read_bytes, walk_files


def create_corpus_v1(
    path: Path,
    gold_tokens: bool = True,
    max_length: int = 0,
    limit: int = 0,
    shuffle: bool = False,
    seed: int = 0,
    attr: str = DEFAULT_ATTR,
    gold_entities: str | None = None,
) -> Callable[[Language], Iterator[Example]]:
    """spacy-jre.Corpus.v1: read .spacy files with relations as Examples.

    path (Path): A .spacy file, or a folder of .spacy files.
    gold_tokens (bool): Whether the predicted Doc uses the tokens of the reference. If
        False, the text is tokenized with the tokenizer of the pipeline.
    max_length (int): Maximum number of tokens per Doc. Longer Docs are split into
        sentences. This drops relations across sentences, and a warning reports how
        many. 0: no limit.
    limit (int): Maximum number of Docs to read. 0: no limit.
    shuffle (bool): Whether to shuffle the Docs in each pass.
    seed (int): Random seed for shuffling.
    attr (str): Name of the relation extension.
    gold_entities (str | None): Where to set the gold entities on the predicted Docs:
        "doc.ents" or "spans:<key>", a span group. For a component with the same setting
        `entities`, so that it is trained and evaluated on them. Entities that overlap
        require a span group. None: they are not set.
    RETURNS (Corpus): The reader.
    """
    return Corpus(
        path,
        gold_tokens=gold_tokens,
        max_length=max_length,
        limit=limit,
        shuffle=shuffle,
        seed=seed,
        attr=attr,
        gold_entities=gold_entities,
    )


class Corpus:
    """A corpus reader. Call it with a pipeline to get the Examples."""

    def __init__(
        self,
        path: Path | str,
        *,
        gold_tokens: bool = True,
        max_length: int = 0,
        limit: int = 0,
        shuffle: bool = False,
        seed: int = 0,
        attr: str = DEFAULT_ATTR,
        gold_entities: str | None = None,
    ):
        """See ``create_corpus_v1``. RAISES (ValueError): J601, J608."""
        self.path = Path(path)
        for name, value in (("max_length", max_length), ("limit", limit)):
            if value < 0:
                raise JREError(
                    Errors.J608.format(
                        path=path, name=name, expected="0 or more", value=value
                    )
                )
        self.gold_tokens = gold_tokens
        self.max_length = max_length
        self.limit = limit
        self.shuffle = shuffle
        self.attr = attr
        if gold_entities is not None and not is_source(gold_entities):
            raise JREError(
                Errors.J608.format(
                    path=path,
                    name="gold_entities",
                    expected="doc.ents or spans:<key>",
                    value=gold_entities,
                )
            )
        self.gold_entities = gold_entities
        self._random = random.Random(seed)

    @property
    def yields_all(self) -> bool:
        """Whether each Doc up to the limit is one Example. Otherwise, Docs can be split
        or skipped."""
        return self.gold_tokens and not self.max_length

    def __call__(self, nlp: Language) -> Iterator[Example]:
        """
        nlp (Language): The pipeline with the vocab and the tokenizer.
        YIELDS (Example): The Examples. The predicted Docs have tokens and sentence
            starts only.
        RAISES (ValueError): J601, J602, J603, J609 for a file that is missing, is
            empty, has no relations or is not a DocBin; J620, J621 for a file that
            unpacks to too much data or has a broken Doc; J535 for overlapping entities
            with gold_entities = "doc.ents". A Doc that is too long for the tokenizer is
            skipped with a warning (without gold_tokens).
        """
        register_extension(self.attr)
        docs = self._read(nlp)
        n_misaligned = n_too_long = 0
        if self.shuffle:
            shuffled = list(docs)
            self._random.shuffle(shuffled)
            docs = iter(shuffled)
        for reference in docs:
            try:
                example = Example(self._make_predicted(nlp, reference), reference)
            except TextTooLongError:
                n_too_long += 1
                continue
            if self.gold_entities is not None:
                n_misaligned += self._set_gold(example, self.gold_entities)
            yield example
        if n_misaligned:
            what, reason = "gold entities", "they do not align with the tokens"
            self._warn_about_lost(self.path, n_misaligned, what, reason)
        if n_too_long:
            reason = f"their text has more than {nlp.max_length} characters"
            self._warn_about_lost(self.path, n_too_long, "Doc(s)", reason)

    @staticmethod
    def _warn_about_lost(path: Path, count: int, what: str, reason: str) -> None:
        warning = Warnings.J907.format(path=path, count=count, what=what, reason=reason)
        warnings.warn(warning, stacklevel=3)

    def _set_gold(self, example: Example, target: str) -> int:
        """Set the gold entities on the predicted Doc.

        RETURNS (int): Number of entities that do not align with its tokens.
        """
        doc = example.predicted
        gold = read_gold(example.reference, attr=self.attr)
        if not gold.knows_entities:
            return 0
        alignment = TextAlignment(example)
        found = [(alignment.find_tokens(key), key[2]) for key in gold.entities]
        rows = [(*tokens, label) for tokens, label in found if tokens is not None]
        spans = [Span(doc, start, end, label) for start, end, label in sorted(rows)]
        key = group_of(target)
        if key is not None:
            doc.spans[key] = spans
        elif len(filter_spans(spans)) < len(spans):
            text = doc.text
            raise JREError(Errors.J535.format(path=self.path, text=text[:60]))
        else:
            doc.set_ents(spans)
        return len(found) - len(rows)

    def _read(self, nlp: Language) -> Iterator[Doc]:
        remaining = self.limit or sys.maxsize
        for path in find_docbins(self.path):
            lost = 0
            for doc in read_docbin(path, nlp, attr=self.attr):
                if remaining == 0:
                    break
                parts = [doc]
                if self.max_length and len(doc) > self.max_length:
                    parts = [
                        span_as_doc(doc[start:end], attr=self.attr).doc
                        for start, end in sentence_ranges(doc)
                    ]
                    kept = sum(len(stored_relations(p, self.attr)) for p in parts)
                    lost += len(stored_relations(doc, self.attr)) - kept
                yield from parts[:remaining]
                remaining -= min(remaining, len(parts))
            if lost:
                reason = "Docs longer than max_length were split into sentences"
                self._warn_about_lost(
                    path, lost, "relation(s) across sentences", reason
                )

    def _make_predicted(self, nlp: Language, reference: Doc) -> Doc:
        if not self.gold_tokens:
            predicted = tokenize(reference.text, nlp, str(self.path))
            starts = {t.idx for t in reference if t.is_sent_start}
        elif reference.has_unknown_spaces:
            predicted = Doc(nlp.vocab, words=[t.text for t in reference])
            starts = set()
        else:
            predicted = Doc(
                nlp.vocab,
                words=[t.text for t in reference],
                spaces=[bool(t.whitespace_) for t in reference],
            )
            starts = set()
        if reference.has_annotation("SENT_START"):
            for token in predicted:
                if self.gold_tokens:
                    token.is_sent_start = reference[token.i].is_sent_start
                else:
                    inside = range(token.idx, token.idx + max(1, len(token)))
                    token.is_sent_start = not starts.isdisjoint(inside)
        return predicted


def find_docbins(path: Path) -> list[Path]:
    """RETURNS (list[Path]): The .spacy files of a path, also with .gz, sorted.
    RAISES (ValueError): J601 if there are none, J617 for a symbolic link to a target
        outside the folder."""
    if path.is_dir():
        paths = [file for file in walk_files(path) if inner_suffix(file) == ".spacy"]
    else:
        paths = [path] if path.is_file() else []
    if not paths:
        raise JREError(Errors.J601.format(path=path))
    return paths


def load_docbin(path: Path, *, attr: str = DEFAULT_ATTR) -> CheckedDocBin:
    """RETURNS (CheckedDocBin): The content of a .spacy file.
    RAISES (ValueError): J602 if it has no Docs, J609 if it is not a DocBin, J620 if it
        unpacks to too much data."""
    docbin = CheckedDocBin(path, attr)
    try:
        docbin.from_bytes(read_bytes(path))
    except JREError:
        raise
    except Exception as error:  # zlib, msgpack and srsly raise various errors
        problem = str(error) or type(error).__name__
        raise JREError(Errors.J609.format(path=path, error=problem)) from error
    if not len(docbin):
        raise JREError(Errors.J602.format(path=path))
    return docbin


def read_docbin(
    path: Path, nlp: Language, *, attr: str = DEFAULT_ATTR
) -> Iterator[Doc]:
    """Read a .spacy file. Creates each Doc when it is required.

    path (Path): The file.
    nlp (Language): The pipeline with the vocab.
    attr (str): Name of the relation extension.
    YIELDS (Doc): The Docs.
    RAISES (ValueError): J602 if it has no Docs, J603 if no Doc has relation data, J609
        if it is not a DocBin, J620 if it unpacks to too much data, J621 for a Doc that
        cannot be read.
    """
    docbin = load_docbin(path, attr=attr)
    # a file without the name has no relations, which is known before the first Doc
    name = attr.encode()
    n_docs = 0
    if any(isinstance(data, bytes) and name in data for data in docbin.user_data):
        for doc in docbin.get_docs(nlp.vocab):
            n_docs += has_relations(doc, attr)
            yield doc
    if not n_docs:
        raise JREError(Errors.J603.format(path=path, attr=attr))
