"""Read the training data once, although several functions need it."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from spacy.training import Example, validate_examples, validate_get_examples


class SingleRead:
    """A function that returns Examples, like the one that ``initialize`` gets.

    The Examples are read when the first call requires them, and are kept until this
    object is deleted: spaCy's training loop keeps them in memory, too.
    """

    def __init__(self, get_examples: Callable[[], Iterable[Example]], method: str):
        """
        get_examples (Callable): Returns the Examples. It is called once.
        method (str): Name of the calling method, for the error message.
        RAISES (TypeError): spaCy's errors, for another function.
        """
        examples = get_examples() if callable(get_examples) else None
        if not examples:
            validate_get_examples(get_examples, method)
        self._method = method
        self._unread = iter(examples or ())
        self._read: list[Example] = []

    def __call__(self) -> Iterator[Example]:
        """YIELDS (Example): All Examples, from the first.
        RAISES (TypeError): spaCy's error for an object that is not an Example."""
        number = 0
        while True:
            if number == len(self._read):
                new = list(islice(self._unread, 1))
                if not new:
                    return
                validate_examples(new, self._method)
                self._read += new
            yield self._read[number]
            number += 1
