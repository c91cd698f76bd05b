"""Run a pipeline on the documents of a shard. Documents that fail are left out, with
the reason, and do not affect the others."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from spacy.language import Language
from spacy.tokens import Doc

from ..errors import Errors, JREError
from .items import Item
from .workers import workers_end_with_parent

Result = TypeVar("Result")


@dataclass(frozen=True)
class Failure:
    """A document that failed.

    number (int): Its number in the input.
    id (str): Its id.
    reason (str): The error.
    """

    number: int
    id: str
    reason: str


@dataclass
class Shard(Generic[Result]):
    """The results of a shard. Each document has a result or a failure.

    results (list): The results, in the order of the documents.
    failed (list[Failure]): The documents that failed, in the same order.
    """

    results: list[Result] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)


def process_shard(
    nlp: Language,
    items: Sequence[Item],
    convert: Callable[[Doc, Item], Result],
    *,
    batch_size: int | None = None,
    n_process: int = 1,
) -> Shard[Result]:
    """Run a pipeline on documents and convert each Doc.

    If a component fails on a batch, its documents are processed one by one, so that
    only those fail that have an error themselves. The Docs are processed in a memory
    zone of spaCy, so that new words do not fill the vocab: do not keep the Docs.

    nlp (Language): The pipeline.
    items (Sequence[Item]): The documents.
    convert (Callable): Makes the result of a Doc. Called in the order of the items.
    batch_size (int | None): Number of documents of a batch. Default: that of the
        pipeline.
    n_process (int): Number of processes.
    RETURNS (Shard): The results and the failures.
    """
    shard: Shard[Result] = Shard()
    ready: list[tuple[Item, str | Doc]] = []

    def fail(item: Item, error: Exception | str) -> None:
        if isinstance(error, Exception) and not isinstance(error, JREError):
            error = f"{type(error).__name__}: {error}"
        shard.failed.append(Failure(item.number, item.id, str(error)))

    for item in items:
        try:
            if item.error:
                raise JREError(item.error)
            ready.append((item, _load(nlp, item)))
        except Exception as error:
            fail(item, error)
    handler = _Handler()
    with (
        _error_handler(nlp, handler),
        workers_end_with_parent(),
        nlp.memory_zone(),
    ):
        stream = _process(nlp, ready, handler, batch_size, n_process)
        for (item, _), doc in zip(ready, stream, strict=True):
            try:
                if isinstance(doc, Exception):
                    raise doc
                shard.results.append(convert(doc, item))
            except Exception as error:
                fail(item, error)
    shard.failed.sort(key=lambda failure: failure.number)
    return shard


def _load(nlp: Language, item: Item) -> str | Doc:
    """Get the text or the Doc of an item.

    RAISES (ValueError): J111 for a text that is not UTF-8, J115 for a text that is too
        long. (They would stop nlp.pipe.)
    """
    if not isinstance(item.content, str):
        # outside the memory zone, because the file keeps its strings in the vocab
        return item.content(nlp.vocab)
    text = item.content
    try:
        text.encode("utf8")
    except UnicodeEncodeError as error:
        message = Errors.J111.format(source=item.id, position=error.start)
        raise JREError(message) from error
    if len(text) > nlp.max_length:
        length, limit = len(text), nlp.max_length
        raise JREError(Errors.J115.format(source=item.id, length=length, limit=limit))
    return text


def _process(
    nlp: Language,
    ready: Sequence[tuple[Item, str | Doc]],
    handler: "_Handler",
    batch_size: int | None,
    n_process: int,
) -> Iterator[Doc | Exception]:
    """YIELDS (Doc | Exception): The Doc of each item, or its error."""
    inputs = ((content, index) for index, (_, content) in enumerate(ready))
    done = 0
    # a Doc of a batch that failed is missing in the output of nlp.pipe
    try:
        for doc, index in nlp.pipe(
            inputs, as_tuples=True, batch_size=batch_size, n_process=n_process
        ):
            for _, content in ready[done:index]:
                yield _process_alone(nlp, content, handler)
            yield doc
            done = index + 1
    except Exception:
        # a component with a pipe() that ignores the handler, or the end of a worker
        pass
    for _, content in ready[done:]:
        yield _process_alone(nlp, content, handler)


def _process_alone(
    nlp: Language, content: str | Doc, handler: "_Handler"
) -> Doc | Exception:
    with handler.raises():
        try:
            return nlp(content)
        except Exception as error:
            return error


class _Handler:
    """An error handler of components that ignores errors, or raises them."""

    def __init__(self) -> None:
        self._raises = False

    def __call__(self, name: str, component: Any, docs: Any, error: Exception) -> None:
        if self._raises:
            raise error

    @contextmanager
    def raises(self) -> Iterator[None]:
        self._raises = True
        try:
            yield
        finally:
            self._raises = False


@contextmanager
def _error_handler(nlp: Language, handler: _Handler) -> Iterator[None]:
    """Set an error handler of the pipeline, and restore the previous ones."""
    default = nlp.default_error_handler
    handlers = [
        (pipe, pipe.get_error_handler())
        for _, pipe in nlp.pipeline
        if hasattr(pipe, "get_error_handler") and hasattr(pipe, "set_error_handler")
    ]
    nlp.set_error_handler(handler)  # type: ignore[arg-type]  # it may return
    try:
        yield
    finally:
        nlp.default_error_handler = default
        for pipe, previous in handlers:
            pipe.set_error_handler(previous)
