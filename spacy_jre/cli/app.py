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


# what several commands take
Epochs = Annotated[int, typer.Option(help="Passes; 0: as the config has it")]
BatchSize = Annotated[
    int, typer.Option(help="Sentences per step; 0: as the config has it")
]
GpuId = Annotated[int, typer.Option(help="GPU number, -1 for the CPU")]
Threads = Annotated[int, typer.Option(help="CPU threads of torch; 0: its own choice")]
Checksums = Annotated[
    Path | None, typer.Option(help="A project.yml whose asset checksums must hold")
]
MaxLoss = Annotated[
    float, typer.Option(help="Largest share of entities or relations lost")
]


@jre_cli.command("train")
def train_cli(
    config: Annotated[Path, typer.Argument(help="Training config")],
    output: Annotated[Path, typer.Option(help="Folder for the trained pipelines")],
    train: Annotated[Path, typer.Option(help="Training data (.spacy)")],
    dev: Annotated[Path, typer.Option(help="Development data (.spacy)")],
    encoder: Annotated[
        str,
        typer.Option(
            help="A transformer's hub name, folder or package:<module>; or tok2vec"
        ),
    ] = "",
    epochs: Epochs = 0,
    batch_size: BatchSize = 0,
    seed: Annotated[int, typer.Option(help="Random seed")] = 0,
    gpu_id: GpuId = -1,
    threads: Threads = 0,
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
        Path,
        typer.Argument(help="A file, a folder, or a folder with train, dev and test"),
    ],
    target: Annotated[
        Path, typer.Argument(help="The file to write; a folder for several splits")
    ],
    format: Annotated[
        str, typer.Option(help="Name of the format; auto: by what is in the file")
    ] = "auto",
    to: Annotated[
        str, typer.Option(help="What to write: spacy, spert, prodigy or brat")
    ] = "spacy",
    also: Annotated[
        list[Path] | None, typer.Option(help="A further source; may be repeated")
    ] = None,
    lang: Annotated[
        str, typer.Option(help="Language of the tokenizer; empty: the dataset's, or en")
    ] = "",
    alignment: Annotated[
        str, typer.Option(help="strict, contract or expand entities to tokens")
    ] = "strict",
    sentences: Annotated[
        str,
        typer.Option(
            help="Where the format has no sentences: record (one), line, or rules"
        ),
    ] = "record",
    per_sentence: Annotated[
        bool,
        typer.Option("--per-sentence", help="Make every sentence a Doc of its own"),
    ] = False,
    tokenized: Annotated[
        bool, typer.Option("--tokenized", help="Tokens are what stands between blanks")
    ] = False,
    repeats: Annotated[
        str,
        typer.Option(
            help="Triples of repeated surface forms mean: nearest, first or all"
        ),
    ] = "nearest",
    discontinuous: Annotated[
        str, typer.Option(help="Entities of several pieces (brat): skip or cover")
    ] = "skip",
    ids: Annotated[
        Path | None,
        typer.Option(help="Keep the records whose ids begin the lines of this file"),
    ] = None,
    split: Annotated[
        str, typer.Option(help="Draw splits, such as 80/10/10 (train, dev, test)")
    ] = "",
    by: Annotated[
        str, typer.Option(help="What a split keeps together: doc, or record (nothing)")
    ] = "doc",
    seed: Annotated[int, typer.Option(help="Random seed of the split")] = 0,
    fold: Annotated[int, typer.Option(help="Fold of a dataset that has some")] = 0,
    checksums: Checksums = None,
    max_loss: MaxLoss = 0.01,
) -> None:
    """Convert annotated files to .spacy files with relations, and report losses.

    Formats: inline, spert, dygie, conll04, multihead, ade, ade-dose, ade-neg, spo,
    triples, brat, ddi, prodigy, label-studio, doccano, inception, spacy.
    """
    from .convert import Settings, check_losses, convert_path

    with _plain_errors():
        # the values are checked where they are used
        settings = Settings(
            format=format,
            to=to,  # type: ignore[arg-type]
            lang=lang,
            alignment=alignment,  # type: ignore[arg-type]
            sentences=sentences,  # type: ignore[arg-type]
            per_sentence=per_sentence,
            tokenized=tokenized,
            repeats=repeats,  # type: ignore[arg-type]
            discontinuous=discontinuous,  # type: ignore[arg-type]
            ids=ids,
            split=split,
            by=by,  # type: ignore[arg-type]
            seed=seed,
            fold=fold,
            checksums=checksums,
        )
        conversions = convert_path(source, target, settings, also or ())
        for conversion in conversions:
            for line in conversion.lost:
                msg.warn(line)
            msg.good(conversion.summary())
            if conversion.has_no_relations():
                msg.warn(
                    f"{conversion.target}: no relation in any record. If there should "
                    "be some, the export lost them: see docs/data.md."
                )
        check_losses(conversions, max_loss)


@jre_cli.command("cross-validate")
def cross_validate_cli(
    config: Annotated[Path, typer.Argument(help="Training config")],
    source: Annotated[Path, typer.Argument(help="Folder of a dataset")],
    output: Annotated[Path, typer.Option(help="Folder for the runs and their scores")],
    folds: Annotated[str, typer.Option(help="Such as 0-4,7; empty: all")] = "",
    seeds: Annotated[str, typer.Option(help="Such as 1-3")] = "0",
    encoder: Annotated[str, typer.Option(help="See `spacy jre train`")] = "",
    epochs: Epochs = 0,
    batch_size: BatchSize = 0,
    gpu_id: GpuId = -1,
    threads: Threads = 0,
    checksums: Checksums = None,
    max_loss: MaxLoss = 0.01,
    discard_models: Annotated[
        bool, typer.Option("--discard-models", help="Delete pipelines once scored")
    ] = False,
) -> None:
    """Train and score every fold and seed, and average; finished runs are skipped."""
    import srsly

    from .cross_validate import average, cross_validate, parse_numbers

    with _plain_errors():
        runs = []
        for run in cross_validate(
            config,
            source,
            output,
            folds=parse_numbers(folds) if folds else (),
            seeds=parse_numbers(seeds),
            encoder=encoder,
            epochs=epochs,
            batch_size=batch_size,
            gpu_id=gpu_id,
            threads=threads,
            checksums=checksums,
            max_loss=max_loss,
            keep_models=not discard_models,
        ):
            runs.append(run)
            f1 = ", ".join(
                f"{name} {100 * run.scores[name]:.2f}"
                for name in ("ents_f", "rel_f", "rel_strict_f")
            )
            how = "" if run.repeated else " (finished before)"
            msg.good(f"fold {run.fold}, seed {run.seed}: {f1}{how}")
        found = average(runs)
        rows = [
            (
                name,
                f"{100 * mean:.2f}",
                "" if (sd := found.deviation[name]) is None else f"{100 * sd:.2f}",
            )
            for name, mean in found.mean.items()
        ]
        msg.table(rows, header=("", f"mean of {len(runs)}", "sd"), divider=True)
        summary = {
            "mean": found.mean,
            "deviation": found.deviation,
            "runs": [vars(run) for run in runs],
        }
        srsly.write_json(output / "summary.json", summary)
        msg.good(f"{output / 'summary.json'}")


@jre_cli.command("validate")
def validate_cli(
    folder: Annotated[
        Path, typer.Argument(help="Folder with files train, dev and test")
    ],
) -> None:
    """Measure a corpus of ours and check it; dataset.json lies beside it."""
    from dataclasses import fields

    import spacy

    from ..corpora.dataset import FILE as DATASET_FILE
    from ..corpora.dataset import read_dataset
    from ..corpora.validate import Limits, validate_corpus

    with _plain_errors():
        dataset = read_dataset(folder / DATASET_FILE)
        unknown = dataset.limits.keys() - {field.name for field in fields(Limits)}
        if unknown:
            problem = f"has unknown names: {', '.join(sorted(unknown))}"
            path = folder / DATASET_FILE
            raise ValueError(
                Errors.J633.format(path=path, field="limits", problem=problem)
            )
        limits = Limits(**dataset.limits)
        report = validate_corpus(dataset, spacy.blank(dataset.lang), limits)
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


@jre_cli.command(
    "debug-data",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def debug_data_cli(
    ctx: typer.Context,  # has the overrides
    config: Annotated[Path, typer.Argument(help="Training config")],
    train: Annotated[
        Path | None, typer.Option(help="Training data (.spacy); else the config's")
    ] = None,
    dev: Annotated[
        Path | None, typer.Option(help="Development data (.spacy); else the config's")
    ] = None,
    test: Annotated[
        Path | None, typer.Option(help="Test data (.spacy), to be compared")
    ] = None,
    component: Annotated[
        str, typer.Option(help="Name of the component; empty: the only one")
    ] = "",
    output: Annotated[
        Path | None, typer.Option(help="JSON file for the figures and findings")
    ] = None,
    code: Annotated[
        Path | None,
        typer.Option("--code", "-c", help="Python file with registered functions"),
    ] = None,
) -> None:
    """Look at the data before training on them: figures, errors, warnings, advice.

    Other options override the config, as in --components.jre.max_span_width 8.
    Exits with 1 if there is an error.
    """
    import srsly
    from spacy.cli._util import import_code

    from .debug_data import debug_data, read_overrides
    from .debug_print import print_report

    with _plain_errors():
        overrides = read_overrides(ctx.args, train=train, dev=dev)
        import_code(code)
        report = debug_data(config, overrides=overrides, test=test, component=component)
        print_report(report)
        if output is not None:
            output.parent.mkdir(parents=True, exist_ok=True)
            srsly.write_json(output, report.as_json())
        if any(finding.level == "error" for finding in report.findings):
            raise typer.Exit(1)


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Show our own errors as one line, not as a traceback."""
    try:
        yield
    except OSError as error:  # a folder where a file has to be, or no permission
        msg.fail(str(error), exits=1)
    except ValueError as error:
        if not str(error).startswith("[J"):
            raise
        msg.fail(str(error), exits=1)
