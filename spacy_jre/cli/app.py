"""The commands of `python -m spacy jre`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from spacy.cli._util import app
from wasabi import msg

from ..errors import Errors

jre_cli = typer.Typer(
    name="jre",
    help="Joint entity and relation extraction: corpora, training, pictures.",
    no_args_is_help=True,
    add_completion=False,
)
app.add_typer(jre_cli)


@jre_cli.command("train")
def train_cli(
    config: Annotated[Path, typer.Argument(help="Training config")],
    output: Annotated[Path, typer.Option(help="Folder for the trained pipelines")],
    train: Annotated[Path, typer.Option(help="Training data (.spacy)")],
    dev: Annotated[Path, typer.Option(help="Development data (.spacy)")],
    encoder: Annotated[
        str,
        typer.Option(help="Transformer: a hub name, a folder or package:<module>"),
    ] = "",
    epochs: Annotated[int, typer.Option(help="Passes; 0: as the config has it")] = 0,
    batch_size: Annotated[
        int, typer.Option(help="Sentences per step; 0: as the config has it")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Random seed")] = 0,
    gpu_id: Annotated[int, typer.Option(help="GPU number, -1 for the CPU")] = -1,
    threads: Annotated[
        int, typer.Option(help="CPU threads of torch; 0: its own choice")
    ] = 0,
    dataset: Annotated[
        str, typer.Option(help="Name of the data, written into meta.json")
    ] = "",
    lang: Annotated[
        str, typer.Option(help="Language of the pipeline; empty: the config's")
    ] = "",
    symmetric: Annotated[
        str, typer.Option(help="Relation labels without a direction, by commas")
    ] = "",
) -> None:
    """Train like `spacy train`, with the steps of the schedule computed.

    The linear schedule needs the number of steps. It is computed here, and only
    here, from the sentences of the training data, the batch size and the epochs.
    """
    from .train import run_training

    with _plain_errors():
        run_training(
            config,
            output,
            train,
            dev,
            encoder=encoder,
            epochs=epochs,
            batch_size=batch_size,
            seed=seed,
            gpu_id=gpu_id,
            threads=threads,
            dataset=dataset,
            lang=lang,
            symmetric=[label for label in symmetric.split(",") if label],
        )


@jre_cli.command("convert")
def convert_cli(
    source: Annotated[
        Path, typer.Argument(help="A file, or a folder with train.*, dev.*, test.*")
    ],
    target: Annotated[Path, typer.Argument(help="A .spacy file, or a folder")],
    format: Annotated[
        str, typer.Option(help="inline, spert, or auto (by the file's ending)")
    ] = "auto",
    lang: Annotated[str, typer.Option(help="Language of the tokenizer")] = "en",
    alignment: Annotated[
        str, typer.Option(help="strict, contract or expand entities to tokens")
    ] = "strict",
    checksums: Annotated[
        Path | None,
        typer.Option(help="A project.yml whose asset checksums must hold"),
    ] = None,
    max_loss: Annotated[
        float, typer.Option(help="Largest share of entities or relations lost")
    ] = 0.01,
) -> None:
    """Convert annotated files to .spacy files with relations, and report losses."""
    from .convert import convert_path

    with _plain_errors():
        conversions = convert_path(
            source,
            target,
            format=format,
            lang=lang,
            alignment=alignment,  # type: ignore[arg-type]  # checked in build_doc
            checksums=checksums,
        )
        for conversion in conversions:
            report = conversion.report
            for line in conversion.lost:
                msg.warn(line)
            msg.good(
                f"{conversion.source} -> {conversion.target}: {report.docs} documents, "
                f"{report.entities} entities ({len(report.misaligned)} misaligned, "
                f"{report.not_in_ents} overlapping, not in doc.ents), "
                f"{report.relations} relations ({len(report.lost_relations)} lost, "
                f"{report.duplicates} duplicates)"
            )
        for kind, lost, total in (
            (
                "entities",
                sum(len(c.report.misaligned) for c in conversions),
                sum(c.report.entities for c in conversions),
            ),
            (
                "relations",
                sum(len(c.report.lost_relations) for c in conversions),
                sum(c.report.relations for c in conversions),
            ),
        ):
            if lost > max_loss * total:
                raise ValueError(
                    Errors.J702.format(
                        lost=lost, total=total, kind=kind, limit=max_loss
                    )
                )


@jre_cli.command("validate")
def validate_cli(
    folder: Annotated[
        Path, typer.Argument(help="Folder with train.txt, dev.txt, test.txt")
    ],
    lang: Annotated[str, typer.Option(help="Language of the tokenizer")] = "en",
) -> None:
    """Measure a corpus in inline markup and check it; labels.json lies beside it."""
    import spacy
    import srsly

    from ..corpora.validate import Limits, validate_corpus

    with _plain_errors():
        if not (folder / "labels.json").is_file():
            raise ValueError(Errors.J601.format(path=folder / "labels.json"))
        labels = srsly.read_json(folder / "labels.json")
        report = validate_corpus(folder, spacy.blank(lang), labels, Limits())
        for name, value in report.figures.items():
            msg.text(f"{name}: {value}")
        for problem in report.problems:
            msg.fail(problem)
        if report.problems:
            raise ValueError(
                Errors.J703.format(path=folder, count=len(report.problems))
            )
        msg.good(f"{folder} passes every check")


@jre_cli.command("show")
def show_cli(
    model: Annotated[str, typer.Argument(help="Name or folder of a pipeline")],
    data: Annotated[Path, typer.Argument(help="A .spacy file")],
    output: Annotated[Path, typer.Argument(help="The HTML page to write")],
    limit: Annotated[int, typer.Option(help="Most sentences to show")] = 10,
) -> None:
    """Draw what a pipeline reads off the first sentences of a corpus."""
    from .show import show_predictions

    with _plain_errors():
        docs, relations = show_predictions(model, data, output, limit=limit)
        msg.good(f"{output}: {relations} relations in {docs} sentences")


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Show our own errors as one line, not as a traceback."""
    try:
        yield
    except ValueError as error:
        if not str(error).startswith("[J"):
            raise
        msg.fail(str(error), exits=1)
