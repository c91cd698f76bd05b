"""Random annotations, and comparisons of them."""

import numpy as np
from hypothesis import strategies as st

from spacy_jre.evaluation.outcomes import outcomes_of
from spacy_jre.scoring.comparison import compare

from ..scoring.helpers import make_example

WORDS = ["a", "b", "c", "d"]
SPANS = st.sampled_from([(0, 1), (0, 2), (1, 2), (1, 4), (2, 3), (3, 4)])
ENTITIES = st.builds(lambda s, label: (*s, label), SPANS, st.sampled_from(["X", "Y"]))
SCORES = st.integers(1, 20).map(lambda number: number / 20)


@st.composite
def annotations(draw):
    """Entities, and relations whose arguments are among them if there are any."""
    entities = draw(st.lists(ENTITIES, max_size=5))
    arguments = st.sampled_from(entities) if entities else ENTITIES
    labels = st.sampled_from(["r", "s", "t"])
    row = st.tuples(arguments, arguments, labels, SCORES)
    return entities, draw(st.lists(row, max_size=5))


CORPORA = st.lists(st.tuples(annotations(), annotations()), min_size=1, max_size=4)
SYMMETRIC = st.sampled_from([frozenset(), frozenset("r"), frozenset("rst")])


def examples_of(corpus):
    return [make_example(*pair, WORDS) for pair in corpus]


def compare_all(corpus, symmetric=frozenset()):
    return [compare(eg, symmetric=symmetric) for eg in examples_of(corpus)]


def outcomes_of_all(corpus, symmetric=frozenset()):
    return [outcomes_of(one) for one in compare_all(corpus, symmetric)]


def one_each(comparisons):
    """Every Doc is a document."""
    return np.arange(len(comparisons))
