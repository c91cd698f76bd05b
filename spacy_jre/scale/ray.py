"""Run a pipeline with Ray Data, on one or several machines.

::

    import ray
    from spacy_jre.scale.ray import PredictTriples

    texts = ray.data.read_parquet("texts/")
    triples = texts.map_batches(
        PredictTriples,
        fn_constructor_kwargs={"model": "en_jre_mine", "id_field": "id"},
        batch_size=1000,
        concurrency=4,
    )
    triples.write_parquet("triples/")
"""

from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language

from ..annotations import DEFAULT_ATTR
from ..export import ExportOptions, as_row, find_format
from ..export.tables import arrow_table
from .items import InputSettings, Item
from .outputs import TripleOutput
from .shards import process_shard


class PredictTriples:
    """Predicts the triples of a batch of texts.

    Ray creates one object per actor, which loads the pipeline once. The object itself
    does not contain the pipeline when it is pickled.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        field: str = "text",
        id_field: str = "id",
        attr: str = DEFAULT_ATTR,
        nodes: str = "name",
        batch_size: int | None = None,
        gpu: bool = False,
    ):
        """
        model (str | Path): Name or folder of the pipeline, on each machine.
        field (str): The column with the texts.
        id_field (str): The column with the ids of the documents. Ray does not number
            rows.
        attr (str): Name of the relation extension.
        nodes (str): See ``export.node_id``.
        batch_size (int | None): Number of documents that the pipeline processes at
            once. Default: that of the pipeline.
        gpu (bool): Whether to use the GPU that Ray assigns to the actor.
        RAISES (ValueError): J202 for another value of `nodes`.
        """
        self.model = model
        self.settings = InputSettings(field, id_field)
        self.options = ExportOptions(nodes=nodes)  # type: ignore[arg-type]
        self.attr = attr
        self.batch_size = batch_size
        self.gpu = gpu
        self._nlp: Language | None = None

    @property
    def nlp(self) -> Language:
        """The pipeline."""
        if self._nlp is None:
            if self.gpu:
                spacy.require_gpu()
            self._nlp = spacy.load(self.model)
        return self._nlp

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_nlp": None}

    def __call__(self, batch: dict[str, Any]) -> Any:
        """
        batch (dict[str, ndarray]): A batch of Ray Data, with the columns of the texts
            and the ids.
        RETURNS (pyarrow.Table): The triples, with the columns of ``export.COLUMNS``
            and "error". `doc` is the number of the text in its batch. A document that
            failed is a row with its id and the error. Its other values are null.
        RAISES (KeyError): For a missing column.
        """
        names, texts = batch[self.settings.id_field], batch[self.settings.field]
        items = [
            # str() of a null would be a text
            Item(number, str(name), str(text))
            if isinstance(text, str)
            else Item(number, str(name), error=f"the text is {text!r}, not a string")
            for number, (name, text) in enumerate(zip(names, texts, strict=True))
        ]
        output = TripleOutput(find_format("parquet"), self.options, self.attr)
        shard = process_shard(
            self.nlp, items, output.convert, batch_size=self.batch_size
        )
        rows = [
            as_row(triple, self.options.nodes)
            for triples in shard.results
            for triple in triples
        ]
        rows += [
            {"document": failure.id, "doc": failure.number, "error": failure.reason}
            for failure in shard.failed
        ]
        return arrow_table(rows, error=str)
