"""Documents that fail do not affect the others."""

import pytest
import spacy
from spacy.language import Language

from spacy_jre.scale import Item, process_shard

from ..pipeline.helpers import make_nlp


def make_items(texts):
    return [Item(number, f"id{number}", text) for number, text in enumerate(texts)]


def texts_of(nlp, items, **settings):
    """The texts of the results, and the ids of the failures."""
    shard = process_shard(nlp, items, lambda doc, item: doc.text, **settings)
    return shard.results, [failure.id for failure in shard.failed]


def test_results_are_in_order(capitals_nlp):
    texts = [f"Ada{n} left." for n in range(7)]
    assert texts_of(capitals_nlp, make_items(texts), batch_size=2) == (texts, [])


@pytest.mark.parametrize("n_process", [1, 2])
def test_only_the_document_with_an_error_fails(capitals_nlp, n_process):
    texts = ["Ada.", "Error.", "Oslo.", "Bergen.", "Error."]
    results, failed = texts_of(
        capitals_nlp, make_items(texts), batch_size=3, n_process=n_process
    )
    assert (results, failed) == (["Ada.", "Oslo.", "Bergen."], ["id1", "id4"])


def test_reason_is_that_of_the_component(capitals_nlp):
    shard = process_shard(capitals_nlp, make_items(["Error."]), lambda *args: None)
    (failure,) = shard.failed
    assert failure.reason == "RuntimeError: the text has an error"


def test_batch_of_a_component_that_fails_is_processed_one_by_one():
    # spaCy drops the whole batch
    @Language.factory("test_batches")
    class Batches:
        def __init__(self, nlp, name):
            pass

        def __call__(self, doc):
            if "Error" in doc.text:
                raise ValueError("one")
            return doc

        def pipe(self, stream, batch_size):
            for doc in stream:
                if "Error" in doc.text:
                    raise ValueError("stops the stream")
                yield doc

    nlp = spacy.blank("en")
    nlp.add_pipe("test_batches")
    texts = ["Ada.", "Error.", "Oslo."]
    assert texts_of(nlp, make_items(texts)) == (["Ada.", "Oslo."], ["id1"])


def test_text_that_is_too_long_fails(capitals_nlp):
    capitals_nlp.max_length = 10
    shard = process_shard(
        capitals_nlp, make_items(["Ada.", "a" * 11]), lambda doc, item: doc.text
    )
    assert shard.results == ["Ada."]
    assert "J115" in shard.failed[0].reason


def test_text_that_is_not_utf8_fails(capitals_nlp):
    results, failed = texts_of(capitals_nlp, make_items(["Ada.", "a\udce5"]))
    assert (results, failed) == (["Ada."], ["id1"])


def test_item_with_an_error_fails_with_it(capitals_nlp):
    items = [Item(0, "a", error="can't be read"), Item(1, "b", "Ada.")]
    shard = process_shard(capitals_nlp, items, lambda doc, item: doc.text)
    assert (shard.results, shard.failed[0].reason) == (["Ada."], "can't be read")


def test_document_fails_if_its_result_fails(capitals_nlp):
    def convert(doc, item):
        return 1 // item.number

    shard = process_shard(capitals_nlp, make_items(["Ada.", "Oslo."]), convert)
    assert shard.results == [1]
    assert shard.failed[0].reason.startswith("ZeroDivisionError")


def test_pipeline_without_weights_fails_for_each_document():
    nlp = spacy.blank("en")
    nlp.add_pipe("jre")
    shard = process_shard(nlp, make_items(["Ada.", "Oslo."]), lambda *args: None)
    assert not shard.results
    assert ["J301" in failure.reason for failure in shard.failed] == [True, True]


def test_error_handlers_are_restored():
    nlp, _ = make_nlp()
    before = nlp.default_error_handler
    of_component = nlp.get_pipe("jre").get_error_handler()
    process_shard(nlp, make_items(["Ada."]), lambda *args: None)
    assert nlp.default_error_handler is before
    assert nlp.get_pipe("jre").get_error_handler() is of_component


def test_new_words_do_not_stay_in_the_vocab(capitals_nlp):
    def process(name):
        texts = [f"{name}{n} left." for n in range(100)]
        process_shard(capitals_nlp, make_items(texts), lambda *args: None)

    process("Ada")
    before = len(capitals_nlp.vocab.strings)
    process("Oslo")
    assert len(capitals_nlp.vocab.strings) == before


def test_empty_text_is_a_document(capitals_nlp):
    assert texts_of(capitals_nlp, make_items([""])) == ([""], [])
