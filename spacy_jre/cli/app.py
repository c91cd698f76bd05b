"""The commands of `python -m spacy jre`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from spacy.cli._util import app
from wasabi import msg

from ..errors import Errors, JREError
from ..trust import trust_remote_code

jre_cli = typer.Typer(
    name="jre",
    help="Joint entity and relation extraction: corpora, training, pictures.",
    no_args_is_help=True,
    add_completion=False,
)
app.add_typer(jre_cli)


# what several commands take
Epochs = Annotated[int, typer.Option(help="Passes over the data; 0: as in [recipe]")]
BatchSize = Annotated[int, typer.Option(help="Sentences per step; 0: as in [recipe]")]
GpuId = Annotated[int, typer.Option(help="GPU number, or -1 for the CPU")]
Threads = Annotated[int, typer.Option(help="CPU threads of PyTorch; 0: its default")]
Seed = Annotated[int, typer.Option(help="Random seed, at least 0")]
Fold = Annotated[int, typer.Option(help="Fold number, for a dataset with folds")]
Checksums = Annotated[
    Path | None, typer.Option(help="A project.yml whose asset checksums must hold")
]
MaxLoss = Annotated[
    float, typer.Option(help="Largest share of entities or relations lost")
]
Trust = Annotated[
    list[str] | None,
    typer.Option(
        "--trust-remote-code",
        metavar="NAME",
        help="Run the Python code that comes with this encoder; may be repeated",
    ),
]
# other options are values of the config
WITH_OVERRIDES = {"allow_extra_args": True, "ignore_unknown_options": True}


@jre_cli.command("train", context_settings=WITH_OVERRIDES)
def train_cli(
    ctx: typer.Context,  # has the overrides
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
    seed: Seed = 0,
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
    trust: Trust = None,
) -> None:
    """Train like `spacy train`, with the steps of the schedule computed.

    The linear schedule needs the number of steps. It is computed here, and only
    here, from the sentences of the training data, the batch size and the epochs.

    Other options override values of the config, as in `spacy train`:
    --components.jre.threshold 0.6, --training.optimizer.learn_rate.initial_rate 3e-5,
    --training.optimizer.grad_clip 0.5. Put them after the config. A value given so
    replaces what is in the config or dataset.json, and what is computed. To change the
    computed schedule, override its inputs: --recipe.warmup 0.05.
    """
    from .overrides import SET_BY_TRAIN, read_overrides
    from .train import check_numbers, run_training

    with _plain_errors(), trust_remote_code(*(trust or ())):
        overrides = read_overrides(ctx.args, SET_BY_TRAIN)
        check_numbers(epochs=epochs, batch_size=batch_size, threads=threads, seed=seed)
        _check_device(gpu_id)
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
            overrides=overrides,
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
    fold: Fold = 0,
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


@jre_cli.command("cross-validate", context_settings=WITH_OVERRIDES)
def cross_validate_cli(
    ctx: typer.Context,  # has the overrides
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
    trust: Trust = None,
) -> None:
    """Train and score every fold and seed, and average; finished runs are skipped.

    Other options override values of the config, as in `spacy jre train`.
    """
    import srsly

    from .cross_validate import average, cross_validate, parse_numbers
    from .overrides import SET_BY_CROSS_VALIDATE, read_overrides
    from .train import check_numbers

    with _plain_errors(), trust_remote_code(*(trust or ())):
        overrides = read_overrides(ctx.args, SET_BY_CROSS_VALIDATE)
        check_numbers(epochs=epochs, batch_size=batch_size, threads=threads)
        _check_device(gpu_id)
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
            overrides=overrides,
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
    """Check a hand-written corpus against the limits in its dataset.json.

    For the corpora that are shipped with spacy-jre, and others written for it: number
    and length of sentences, shares without relations, repeated phrases, labels, and
    names that are in several splits. For the data of a training use debug-data.
    """
    from dataclasses import fields

    import spacy

    from ..corpora.dataset import FILE as DATASET_FILE
    from ..corpora.dataset import read_dataset
    from ..inspection.validate import Limits, validate_corpus

    with _plain_errors():
        dataset = read_dataset(folder / DATASET_FILE)
        unknown = dataset.limits.keys() - {field.name for field in fields(Limits)}
        if unknown:
            problem = f"has unknown names: {', '.join(sorted(unknown))}"
            path = folder / DATASET_FILE
            raise JREError(
                Errors.J633.format(path=path, field="limits", problem=problem)
            )
        limits = Limits(**dataset.limits)
        report = validate_corpus(dataset, spacy.blank(dataset.lang), limits)
        for name, value in report.figures.items():
            msg.text(f"{name}: {value}")
        for problem in report.problems:
            msg.fail(problem)
        if report.problems:
            raise JREError(Errors.J703.format(path=folder, count=len(report.problems)))
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


@jre_cli.command("debug-data", context_settings=WITH_OVERRIDES)
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

    from .debug_data import debug_data
    from .debug_print import print_report
    from .overrides import read_overrides

    with _plain_errors():
        overrides = read_overrides(ctx.args)
        for name, path in (("train", train), ("dev", dev)):
            if path is not None:
                overrides[f"paths.{name}"] = str(path)
        import_code(code)
        report = debug_data(config, overrides=overrides, test=test, component=component)
        print_report(report)
        if output is not None:
            output.parent.mkdir(parents=True, exist_ok=True)
            srsly.write_json(output, report.as_json())
        if any(finding.level == "error" for finding in report.findings):
            raise typer.Exit(1)


@jre_cli.command("check-vars")
def check_vars_cli(
    project: Annotated[Path, typer.Argument(help="The project.yml")],
    dataset: Annotated[str, typer.Option(help="A folder in assets/")],
    model: Annotated[str, typer.Option(help="A config in configs/, without .cfg")],
    version: Annotated[str, typer.Option(help="Version of the package")],
    fold: Fold = 0,
    encoder: Annotated[str, typer.Option(help="See `spacy jre train`")] = "",
    seed: Seed = 0,
    gpu_id: GpuId = -1,
    epochs: Epochs = 0,
    batch_size: BatchSize = 0,
) -> None:
    """Check the variables of a project, as its first step.

    `spacy project run` accepts any name after --vars and passes on any value. This
    command reports a name that project.yml does not have, and a value that a later
    step would refuse.
    """
    from .project_vars import check_vars, command_line_of_parent
    from .train import check_numbers

    with _plain_errors():
        check_vars(
            project,
            command_line_of_parent(),
            dataset=dataset,
            model=model,
            version=version,
            fold=fold,
            encoder=encoder,
        )
        check_numbers(epochs=epochs, batch_size=batch_size, seed=seed)
        _check_device(gpu_id)
        msg.good("The variables of the project are valid")


def _check_device(gpu_id: int) -> None:
    """Show the name of the GPU, or fail before the first step if it cannot be used.

    spaCy shows the number, and where there is none that it uses the CPU.
    """
    if gpu_id != -1:
        from .device import check_gpu

        msg.info(f"GPU {gpu_id}: {check_gpu(gpu_id)}")


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Show our own errors as one line, not as a traceback."""
    try:
        yield
    except (JREError, OSError) as error:  # OSError: no permission, or not a file
        msg.fail(str(error), exits=1)
