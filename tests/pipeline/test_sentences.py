"""A text of several sentences, with a sentencizer before the component."""

from spacy.language import Language

from ..conftest import STORY, transformer_config
from .helpers import RECIPE_ENCODER, RECIPE_NETWORK, learn, make_nlp


def predict(nlp: Language, text: str, first: int = 0) -> set[tuple]:
    """Entities and relations as character offsets. first: offset of the text."""
    doc = nlp(text)
    entities = {
        (span.start_char + first, span.end_char + first, span.label_)
        for span in doc.spans["jre"]
    }
    return entities | {
        (r.head.start_char + first, r.label, r.tail.start_char + first)
        for r in doc._.relations
    }


def test_predictions_of_a_text_are_those_of_its_sentences(tiny_bert):
    config = transformer_config(tiny_bert, "SINET", n_heads=4, **RECIPE_NETWORK)
    config["model"]["tok2vec"] |= RECIPE_ENCODER
    nlp, examples = make_nlp(config)
    learn(nlp, examples, 200)
    nlp.add_pipe("sentencizer", before="jre")
    expected, sentences, first = set(), [], 0
    for sentence in STORY:
        sentences.append(" ".join(sentence["words"]))
        expected |= predict(nlp, sentences[-1], first)
        first += len(sentences[-1]) + 1
    assert len({item for item in expected if isinstance(item[1], str)}) >= 4
    assert predict(nlp, " ".join(sentences)) == expected
