"""The commands of `python -m spacy jre`."""

import signal
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
    help="Joint entity and relation extraction: data, training, visualization.",
    no_args_is_help=True,
    add_completion=False,
)
app.add_typer(jre_cli)


# options of several commands
Epochs = Annotated[int, typer.Option(help="Number of epochs. 0: the value in [recipe]")]
BatchSize = Annotated[
    int, typer.Option(help="Sentences per step. 0: the value in [recipe]")
]
GpuId = Annotated[int, typer.Option(help="GPU ID, or -1 for the CPU")]
Threads = Annotated[
    int, typer.Option(help="CPU threads of PyTorch. 0: PyTorch's default")
]
Seed = Annotated[int, typer.Option(help="Random seed, at least 0")]
Fold = Annotated[int, typer.Option(help="Fold number, if the dataset has folds")]
Checksums = Annotated[
    Path | None, typer.Option(help="A project.yml with the checksums of the sources")
]
MaxLoss = Annotated[
    float,
    typer.Option(
        help="Maximum share of records, entities or relations that may be lost"
    ),
]
Recipe = Annotated[
    str,
    typer.Option(
        help="recommended: the config. paper: the config with the same name in the "
        "folder paper/ next to it, which has the settings of the model's paper"
    ),
]
Component = Annotated[
    str, typer.Option(help="Name of the component, if there are several")
]
Trust = Annotated[
    list[str] | None,
    typer.Option(
        "--trust-remote-code",
        metavar="NAME",
        help="Allow the custom Python code of this encoder. Can be repeated",
    ),
]
LearnRate = Annotated[
    float, typer.Option(help="Peak of the learning rate. 0: the value in the config")
]
Warmup = Annotated[
    float,
    typer.Option(
        help="Share of the steps in which the learning rate increases. -1: the value "
        "in [recipe]"
    ),
]
GradClip = Annotated[
    float,
    typer.Option(
        help="Maximum norm of the gradient. 0: no limit. -1: the value in the config"
    ),
]
Jobs = Annotated[int, typer.Option(min=1, help="Number of trainings at the same time")]
KeepPredictions = Annotated[
    bool,
    typer.Option(
        "--keep-predictions",
        help="Keep the predictions for the scored data as .spacy files",
    ),
]
TripleFormat = Annotated[
    str,
    typer.Option(
        help="Output format: csv, tsv, jsonl, parquet, turtle, json-ld, cypher, neo4j "
        "or graphml. auto: by the suffix of the output"
    ),
]
NodesOption = Annotated[
    str,
    typer.Option(
        help="name: entities with the same label and name are one node (ignoring case "
        "and whitespace). mention: each mention is a node"
    ),
]
LabelMap = Annotated[
    Path | None,
    typer.Option(help="YAML or JSON file with the IRIs of labels (RDF): label -> IRI"),
]
Namespace = Annotated[str, typer.Option(help="Start of all other IRIs (RDF)")]
# other options override values of the config
WITH_OVERRIDES = {"allow_extra_args": True, "ignore_unknown_options": True}


@jre_cli.command("train", context_settings=WITH_OVERRIDES)
def train_cli(
    ctx: typer.Context,  # contains the overrides
    config: Annotated[Path, typer.Argument(help="Training config")],
    output: Annotated[
        Path, typer.Option(help="Output folder for the trained pipelines")
    ],
    train: Annotated[Path, typer.Option(help="Training data (.spacy)")],
    dev: Annotated[Path, typer.Option(help="Development data (.spacy)")],
    encoder: Annotated[
        str,
        typer.Option(
            help="Hub name, folder or package:<module> of a transformer, or tok2vec"
        ),
    ] = "",
    epochs: Epochs = 0,
    batch_size: BatchSize = 0,
    learn_rate: LearnRate = 0.0,
    warmup: Warmup = -1.0,
    grad_clip: GradClip = -1.0,
    seed: Annotated[
        int | None,
        typer.Option(help="Random seed, at least 0. Default: as in the config"),
    ] = None,
    gpu_id: GpuId = -1,
    threads: Threads = 0,
    recipe: Recipe = "recommended",
    dataset: Annotated[
        str, typer.Option(help="Name of the dataset, saved in meta.json")
    ] = "",
    lang: Annotated[
        str, typer.Option(help="Language of the pipeline. Default: as in the config")
    ] = "",
    symmetric: Annotated[
        str, typer.Option(help="Symmetric relation labels, comma-separated")
    ] = "",
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Continue an interrupted training of the output folder. Use the "
            "same arguments. Without a saved state, it starts at the first step",
        ),
    ] = False,
    trust: Trust = None,
) -> None:
    """Train like `spacy train`, and compute the number of steps of the schedule.

    The linear schedule requires the number of steps. This command computes it from
    the number of training sentences, the batch size and the epochs.

    Other options override values of the config, as in `spacy train`:
    --components.jre.threshold 0.6, --training.optimizer.weight_decay 0.05. Put them
    after the config. They take precedence over the config, dataset.json, the computed
    values and the options above. To change the computed schedule, override its inputs.

    At each evaluation, model-last, model-best and training-state are saved in the
    output folder. Ctrl-C ends the training after the current step and saves them; a
    second Ctrl-C ends it at once. --resume continues after the last saved step, on one
    CPU thread with the same result as without the interruption.
    """
    from .overrides import SET_BY_TRAIN, read_overrides, short_overrides
    from .recipes import choose_config
    from .train import check_numbers, run_training

    with _plain_errors(), _stopped_by_signal(), trust_remote_code(*(trust or ())):
        overrides = read_overrides(ctx.args, SET_BY_TRAIN)
        short = short_overrides(learn_rate, warmup, grad_clip)
        check_numbers(epochs=epochs, batch_size=batch_size, threads=threads)
        check_numbers(seed=seed or 0)
        _check_device(gpu_id)
        run_training(
            choose_config(config, recipe),
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
            overrides={**short, **overrides},
            resume=resume,
        )


@jre_cli.command("convert")
def convert_cli(
    source: Annotated[
        Path,
        typer.Argument(help="A file or folder, or a folder with train, dev and test"),
    ],
    target: Annotated[
        Path, typer.Argument(help="Output file, or output folder for several splits")
    ],
    format: Annotated[
        str, typer.Option(help="Input format. auto: detect it from the content")
    ] = "auto",
    to: Annotated[
        str,
        typer.Option(
            help="Output format: spacy, spert, prodigy, brat, label-studio or inline"
        ),
    ] = "spacy",
    also: Annotated[
        list[Path] | None, typer.Option(help="Additional source. Can be repeated")
    ] = None,
    lang: Annotated[
        str,
        typer.Option(
            help="Language of the tokenizer. Default: as in dataset.json, or en"
        ),
    ] = "",
    alignment: Annotated[
        str,
        typer.Option(
            help="Alignment of entities with tokens: strict, contract or expand"
        ),
    ] = "strict",
    sentences: Annotated[
        str,
        typer.Option(
            help="Sentences, if the format has none: record (one sentence), line "
            "(line breaks) or rules (punctuation)"
        ),
    ] = "record",
    per_sentence: Annotated[
        bool,
        typer.Option("--per-sentence", help="Create one Doc per sentence"),
    ] = False,
    tokenized: Annotated[
        bool, typer.Option("--tokenized", help="Split the text on whitespace only")
    ] = False,
    repeats: Annotated[
        str,
        typer.Option(
            help="Mentions to use if a surface form is repeated: nearest, first or all"
        ),
    ] = "nearest",
    discontinuous: Annotated[
        str,
        typer.Option(
            help="Discontinuous entities (brat, DDI, UIE, BioC, PubAnnotation, CoNLL-U "
            "Plus): skip or cover"
        ),
    ] = "skip",
    events: Annotated[
        bool,
        typer.Option(
            help="Read the arguments of events (brat) as relations of their triggers"
        ),
    ] = True,
    feature: Annotated[
        list[str] | None,
        typer.Option(
            help="Feature that is the label of a layer with several features "
            "(INCEpTION, WebAnno): NAME or LAYER=NAME. Can be repeated"
        ),
    ] = None,
    text_field: Annotated[
        str,
        typer.Option(
            help="Field of the data that has the text (Label Studio). Default: the "
            "field that the annotations cover"
        ),
    ] = "",
    relation_label: Annotated[
        str,
        typer.Option(help="Label of relations without a label (Label Studio)"),
    ] = "related",
    predictions: Annotated[
        bool,
        typer.Option(
            "--predictions",
            help="Read the predictions of tasks without annotations (Label Studio)",
        ),
    ] = False,
    ids: Annotated[
        Path | None,
        typer.Option(
            help="File with the IDs of records to keep, at the start of each line"
        ),
    ] = None,
    split: Annotated[
        str,
        typer.Option(help="Split the data at random, e.g. 80/10/10 (train, dev, test)"),
    ] = "",
    by: Annotated[
        str,
        typer.Option(help="Unit that is kept together when splitting: doc or record"),
    ] = "doc",
    seed: Annotated[int, typer.Option(help="Random seed of the split")] = 0,
    fold: Fold = 0,
    checksums: Checksums = None,
    max_loss: MaxLoss = 0.01,
    map: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OLD=NEW",
            help="Rename a label of entities or relations. Can be repeated",
        ),
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL",
            help="Leave out entities or relations with this label, and the relations "
            "of these entities. Can be repeated",
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            help="Output file for everything that is left out (JSON lines with kind, "
            "cause, reason and source)"
        ),
    ] = None,
) -> None:
    """Convert annotated files to .spacy files with relations, and report what is lost.

    Formats of annotation tools: prodigy, label-studio, doccano, inception, webanno,
    brat, ubiai, pubannotation; as text: inline.

    Formats of models and corpora: spacy, spert, dygie, gliner, uie, spo, triples,
    uie-prompts, multihead, conllu, conll04, ade, ade-dose, ade-neg, docred, tacred,
    ddi, bioc, pubtator. See docs/data.md.
    """
    from .convert import Settings, check_losses, converting
    from .convert_report import report_lines, write_report

    with _plain_errors():
        # converting checks the values
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
            events=events,
            features=tuple(feature or ()),
            text_field=text_field,
            relation_label=relation_label,
            predictions=predictions,
            ids=ids,
            split=split,
            by=by,  # type: ignore[arg-type]
            seed=seed,
            fold=fold,
            checksums=checksums,
            map=tuple(map or ()),
            drop=tuple(drop or ()),
        )
        with converting(source, target, settings, also or ()) as run:
            for warning, examples in report_lines(run, to_file=report is not None):
                msg.warn(warning)
                for example in examples:
                    typer.echo(f"    {example}")
            if report is not None:
                msg.info(f"{report}: {write_report(run, report)} left out")
            check_losses(run.conversions, max_loss, run.advise)
        if run.note:
            msg.info(run.note)
        for conversion in run.conversions:
            msg.good(conversion.summary())


@jre_cli.command("cross-validate", context_settings=WITH_OVERRIDES)
def cross_validate_cli(
    ctx: typer.Context,  # contains the overrides
    config: Annotated[Path, typer.Argument(help="Training config")],
    source: Annotated[Path, typer.Argument(help="Dataset folder")],
    output: Annotated[
        Path, typer.Option(help="Output folder for the runs and their scores")
    ],
    folds: Annotated[str, typer.Option(help="Folds, e.g. 0-4,7. Default: all")] = "",
    seeds: Annotated[str, typer.Option(help="Random seeds, e.g. 1-3")] = "0",
    encoder: Annotated[str, typer.Option(help="See `spacy jre train`")] = "",
    recipe: Recipe = "recommended",
    epochs: Epochs = 0,
    batch_size: BatchSize = 0,
    learn_rate: LearnRate = 0.0,
    warmup: Warmup = -1.0,
    grad_clip: GradClip = -1.0,
    jobs: Jobs = 1,
    gpu_id: GpuId = -1,
    threads: Threads = 0,
    checksums: Checksums = None,
    max_loss: MaxLoss = 0.01,
    discard_models: Annotated[
        bool,
        typer.Option("--discard-models", help="Delete each pipeline after scoring it"),
    ] = False,
    keep_predictions: KeepPredictions = False,
    trust: Trust = None,
) -> None:
    """Train and score every fold and seed, and average. Skip finished runs.

    This is an experiment (see `spacy jre experiment`) with one dataset, scored on test.
    The averages are those of the epoch with the best score on dev.

    Other options override values of the config, as in `spacy jre train`.
    """
    import srsly

    from .cross_validate import (
        PART,
        parse_numbers,
        plan_cross_validation,
        summarize_runs,
    )
    from .experiment.progress import read_results, train_missing
    from .experiment.scores import SCORES
    from .overrides import SET_BY_CROSS_VALIDATE, read_overrides, short_overrides
    from .recipes import choose_config
    from .train import check_numbers

    with _plain_errors(), trust_remote_code(*(trust or ())):
        overrides = read_overrides(ctx.args, SET_BY_CROSS_VALIDATE)
        short = short_overrides(learn_rate, warmup, grad_clip)
        check_numbers(epochs=epochs, batch_size=batch_size, threads=threads)
        _check_device(gpu_id)
        config = choose_config(config, recipe)
        experiment, runs = plan_cross_validation(
            config,
            source,
            folds=parse_numbers(folds) if folds else (),
            seeds=parse_numbers(seeds),
            encoder=encoder,
            epochs=epochs,
            batch_size=batch_size,
            max_loss=max_loss,
            overrides={**short, **overrides},
        )
        results = read_results(output)
        train_missing(
            config,
            experiment,
            runs,
            results,
            part=PART,
            checksums=checksums,
            jobs=jobs,
            gpu_id=gpu_id,
            threads=threads,
            keep_models=not discard_models,
            keep_predictions=keep_predictions,
            trust=trust or (),
        )
        summary = summarize_runs(runs, results.by_fingerprint)
        rows = [
            (
                name,
                f"{100 * summary['mean'][name]:.2f}",
                "" if (sd := summary["deviation"][name]) is None else f"{100 * sd:.2f}",
            )
            for name in SCORES
            if name in summary["mean"]  # results of older versions have fewer scores
        ]
        msg.table(rows, header=("", f"mean of {len(runs)}", "sd"), divider=True)
        srsly.write_json(output / "summary.json", summary)
        msg.good(f"{output / 'summary.json'}")


@jre_cli.command("evaluate")
def evaluate_cli(
    model: Annotated[str, typer.Argument(help="Name or path of a pipeline")],
    data: Annotated[Path, typer.Argument(help="Data (.spacy)")],
    output: Annotated[
        Path | None, typer.Option(help="Output JSON file for all scores")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            help="Output HTML page: the report, and gold against predicted in each text"
        ),
    ] = None,
    compare: Annotated[
        str,
        typer.Option(help="Name or path of another pipeline, to test differences"),
    ] = "",
    component: Annotated[
        str, typer.Option(help="Name of the component. Default: the last one")
    ] = "",
    seed: Annotated[
        int, typer.Option(help="Random seed of the intervals and the test, at least 0")
    ] = 0,
    gpu_id: GpuId = -1,
    trust: Trust = None,
) -> None:
    """Score a pipeline on gold tokens and sentences, as in training, and show where it
    is wrong.

    Shows the scores with confidence intervals, the scores of relations between gold
    entities, the errors by cause, scores by length, distance and nesting, confused
    labels, precision and recall over thresholds, and calibration. docs/evaluation.md
    describes the figures.

    `spacy evaluate` does not keep the sentences of the data. Its scores also depend on
    the tokenizer and the sentencizer of the pipeline.
    """
    import srsly

    from .evaluate import report_on
    from .evaluate_print import print_evaluation
    from .train import check_numbers

    with _plain_errors(), trust_remote_code(*(trust or ())):
        check_numbers(seed=seed)
        _check_device(gpu_id)
        report, outcomes = report_on(
            model,
            data,
            compare=compare or None,
            component=component,
            seed=seed,
            gpu_id=gpu_id,
        )
        print_evaluation(report)
        if output is not None:
            output.parent.mkdir(parents=True, exist_ok=True)
            srsly.write_json(output, report.as_json())
            msg.good(f"{output}")
        if html is not None:
            from ..display import evaluation_page, write_page

            page = evaluation_page(
                report.as_json(),
                outcomes,
                title=f"{model} on {data.name}",
                lang=report.lang,
            )
            write_page(html, page)
            msg.good(f"{html}")


@jre_cli.command("experiment")
def experiment_cli(
    file: Annotated[Path, typer.Argument(help="Experiment file (YAML)")],
    output: Annotated[
        Path | None,
        typer.Option(
            help="Output folder. Default: training/experiments/<name of the file>"
        ),
    ] = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option(
            help="Only train the runs of this dataset of the file. Can be repeated"
        ),
    ] = None,
    jobs: Jobs = 1,
    gpu_id: GpuId = -1,
    threads: Annotated[
        int, typer.Option(min=0, help="CPU threads of each run. 0: as in the file")
    ] = 0,
    keep_models: Annotated[
        bool, typer.Option("--keep-models", help="Keep the trained pipelines")
    ] = False,
    keep_predictions: KeepPredictions = False,
    table: Annotated[
        bool, typer.Option("--table", help="Only print the table of the finished runs")
    ] = False,
    table_into: Annotated[
        Path | None,
        typer.Option(help="Only write the table of the finished runs to this file"),
    ] = None,
    trust: Trust = None,
) -> None:
    """Train and score all runs of an experiment file. Skip finished runs.

    A file defines models, datasets, seeds and settings. See docs/experiments.md. All
    rows are checked before the first training. The exit code is 1 if a run failed.
    """
    import srsly

    from .experiment.plan import plan_runs, read_experiment, select_datasets
    from .experiment.progress import read_results, train_missing
    from .experiment.table import insert_table, make_table, summarize_groups

    with _plain_errors(), trust_remote_code(*(trust or ())):
        experiment = read_experiment(file)
        selected = select_datasets(file, experiment, dataset or ())
        output = output or Path("training") / "experiments" / file.stem
        results = read_results(output)
        only_table = table or table_into is not None
        runs = plan_runs(
            file,
            experiment,
            required=() if only_table else selected,
            known_folds=results.folds,
        )
        if only_table:
            markdown = make_table(experiment, runs, results.find(runs))
            if table:
                typer.echo(markdown)
            if table_into is not None:
                insert_table(table_into, file.stem, markdown)
                msg.good(f"{table_into}")
            return
        _check_device(gpu_id)
        try:
            train_missing(
                file,
                experiment,
                [run for run in runs if run.dataset in selected],
                results,
                jobs=jobs,
                gpu_id=gpu_id,
                threads=threads or experiment.threads,
                keep_models=keep_models,
                keep_predictions=keep_predictions,
                trust=trust or (),
            )
        finally:
            summary = summarize_groups(runs, results.find(runs))
            if summary:
                srsly.write_json(output / "summary.json", summary)


@jre_cli.command("experiment-run", hidden=True)
def experiment_run_cli(
    spec: Annotated[Path, typer.Argument(help="The spec.json of a run")],
    trust: Trust = None,
) -> None:
    """Train and score one run. `spacy jre experiment` starts this command."""
    import srsly

    from .experiment.runs import end_with_parent, execute_run

    end_with_parent()
    with _plain_errors(), trust_remote_code(*(trust or ())):
        execute_run(srsly.read_json(spec))


@jre_cli.command("validate")
def validate_cli(
    folder: Annotated[
        Path, typer.Argument(help="Folder with train, dev and test files")
    ],
) -> None:
    """Check a hand-written corpus against the limits in its dataset.json.

    The limits cover the number and length of sentences, the share of sentences without
    relations, repeated phrases, labels, and names that occur in several splits. This
    command is intended for the corpora included with spacy-jre. To check your own
    training data, use debug-data.
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


@jre_cli.command("profile")
def profile_cli(
    model: Annotated[str, typer.Argument(help="Name or path of a pipeline")],
    data: Annotated[Path, typer.Argument(help="Data (.spacy)")],
    output: Annotated[
        Path | None, typer.Option(help="Output JSON file for all figures")
    ] = None,
    component: Component = "",
    limit: Annotated[int, typer.Option(help="Maximum number of Docs. 0: all")] = 200,
    batch_sizes: Annotated[
        str, typer.Option(help="Docs per batch, comma-separated")
    ] = "1,2,4,8,16,32,64,128",
    rounds: Annotated[int, typer.Option(help="Measurements of each batch size")] = 3,
    threads: Threads = 0,
    gpu_id: GpuId = -1,
    trust: Trust = None,
) -> None:
    """Measure what a pipeline costs: parameters, FLOPs, peak memory and time.

    Predicts the data on its tokens and sentences, with each batch size, and shows where
    the time goes. See docs/profile.md.
    """
    import srsly

    from .profile import print_profile, profile_model
    from .train import check_numbers

    with _plain_errors(), trust_remote_code(*(trust or ())):
        check_numbers(threads=threads)
        _check_device(gpu_id)
        found = profile_model(
            model,
            data,
            component=component,
            limit=limit,
            batch_sizes=batch_sizes,
            rounds=rounds,
            threads=threads,
            gpu_id=gpu_id,
        )
        print_profile(found)
        if output is not None:
            output.parent.mkdir(parents=True, exist_ok=True)
            srsly.write_json(output, {"model": model, **found.as_json()})
            msg.good(f"{output}")


@jre_cli.command("attention")
def attention_cli(
    model: Annotated[str, typer.Argument(help="Name or path of a pipeline")],
    text: Annotated[str, typer.Argument(help="Text to predict")],
    output: Annotated[Path, typer.Option(help="Output file, .svg or .png")] = Path(
        "attention.svg"
    ),
    component: Component = "",
    gpu_id: GpuId = -1,
    trust: Trust = None,
) -> None:
    """Draw heat maps of the attention of a pipeline on the tokens of a text.

    Needs matplotlib (extra `plots`). Each sentence has a map for each attention of the
    network, as the mean over the heads. A row is a query, a column a key. The tokens of
    predicted entities are red.
    """
    from .attention import draw_attention

    with _plain_errors(), trust_remote_code(*(trust or ())):
        _check_device(gpu_id)
        names = draw_attention(model, text, output, component=component, gpu_id=gpu_id)
        for name in names:
            msg.info(name)
        msg.good(f"{output}")


@jre_cli.command("plot")
def plot_cli(
    reports: Annotated[
        list[Path], typer.Argument(help="JSON files of `spacy jre evaluate --output`")
    ],
    output: Annotated[Path, typer.Argument(help="Output folder for the pictures")],
    format: Annotated[str, typer.Option(help="svg or png")] = "svg",
) -> None:
    """Draw the buckets and curves of an evaluation. Several reports are compared.

    Needs matplotlib (extra `plots`).
    """
    from .plot import plot

    with _plain_errors():
        for path in plot(reports, output, format=format):
            msg.good(f"{path}")


@jre_cli.command("show")
def show_cli(
    model: Annotated[str, typer.Argument(help="Name or path of a pipeline")],
    data: Annotated[Path, typer.Argument(help="Data (.spacy)")],
    output: Annotated[Path, typer.Argument(help="Output HTML file")],
    limit: Annotated[
        int, typer.Option(min=1, help="Maximum number of Docs to show")
    ] = 10,
    component: Component = "",
    trust: Trust = None,
) -> None:
    """Visualize the predictions of a pipeline for the first Docs of a corpus."""
    from .show import show_predictions

    with _plain_errors(), trust_remote_code(*(trust or ())):
        docs, relations = show_predictions(
            model, data, output, limit=limit, component=component
        )
        msg.good(f"{output}: {relations} relations in {docs} Docs")


@jre_cli.command("export")
def export_cli(
    source: Annotated[
        Path, typer.Argument(help="Data with relations (.spacy), or a folder of it")
    ],
    output: Annotated[
        Path, typer.Argument(help="Output file. For the format neo4j: output folder")
    ],
    format: TripleFormat = "auto",
    nodes: NodesOption = "name",
    labels: LabelMap = None,
    namespace: Namespace = "urn:spacy-jre:",
    attr: Annotated[
        str, typer.Option(help="Name of the relation attribute (doc._.relations)")
    ] = "relations",
    id_attr: Annotated[
        str,
        typer.Option(
            help="Name of the attribute with the id of a document, in doc.user_data or "
            "doc._. Documents without it are numbered"
        ),
    ] = "doc_id",
) -> None:
    """Export the relations of .spacy files as triples, to a table or a graph.

    The suffix of the output determines the format: .csv, .tsv, .jsonl, .parquet, .ttl
    (Turtle), .jsonld, .cypher, .graphml. For the CSV files of neo4j-admin, use
    --format neo4j.

    To predict the relations of texts and export them, use `spacy jre apply`.
    """
    from ..export import ExportOptions, choose_format, read_label_map
    from .export import export_path

    with _plain_errors():
        options = ExportOptions(
            nodes=nodes,  # type: ignore[arg-type]  # it checks the value
            namespace=namespace,
            iris=read_label_map(labels) if labels else {},
        )
        chosen = choose_format(output, format)
        export = export_path(
            source, output, chosen, options, attr=attr, id_attr=id_attr
        )
        for line in export.skipped:
            msg.warn(line)
        for line in export.summary():
            msg.text(line)
        msg.good(f"{output}")


@jre_cli.command("apply")
def apply_cli(
    model: Annotated[str, typer.Argument(help="Name or path of a pipeline")],
    source: Annotated[
        Path,
        typer.Argument(
            metavar="input",
            help="A file, or a folder of files: .txt, .jsonl, .csv, .tsv, .parquet, "
            ".spacy, also with .gz",
        ),
    ],
    output: Annotated[
        Path, typer.Argument(help="Output folder. To resume a run, use it again")
    ],
    format: Annotated[
        str,
        typer.Option(
            help="Output format: jsonl, csv, tsv, parquet, turtle, json-ld, cypher, "
            "neo4j or graphml for triples, spacy for documents"
        ),
    ] = "jsonl",
    field: Annotated[
        str, typer.Option(help="Field or column with the text (JSON, CSV, Parquet)")
    ] = "text",
    id_field: Annotated[
        str,
        typer.Option(
            help="Field or column with the id of a document. Default: the file and the "
            "line or row are the id"
        ),
    ] = "",
    text_unit: Annotated[
        str,
        typer.Option(
            help="Documents of .txt files. line: each line. file: each file. auto: "
            "each line of a single file, each file of a folder"
        ),
    ] = "auto",
    shard_size: Annotated[
        int, typer.Option(min=1, help="Number of documents of an output file")
    ] = 1000,
    batch_size: Annotated[
        int,
        typer.Option(
            min=0, help="Documents that are processed at once. 0: as in the pipeline"
        ),
    ] = 0,
    n_process: Annotated[
        int, typer.Option(min=1, help="Number of processes (CPU)")
    ] = 1,
    nodes: NodesOption = "name",
    labels: LabelMap = None,
    namespace: Namespace = "urn:spacy-jre:",
    component: Component = "",
    gpu_id: GpuId = -1,
    trust: Trust = None,
) -> None:
    """Predict the relations of many texts, and write them as triples or documents.

    The output folder has the files part-00000.jsonl, part-00001.jsonl and so on, and
    manifest.json. If the command is interrupted, run it again: finished files are kept,
    and at most one file is computed again. Documents that fail do not stop the run.
    They are listed in errors.ndjson.
    """
    import spacy
    import tqdm
    from spacy.cli._util import setup_gpu

    from ..export import ExportOptions, read_label_map
    from ..scale import ApplySettings, InputSettings, apply
    from .components import choose_component
    from .cpu import fast_cpu

    with _plain_errors(), trust_remote_code(*(trust or ())):
        export = ExportOptions(
            nodes=nodes,  # type: ignore[arg-type]  # it checks the value
            namespace=namespace,
            iris=read_label_map(labels) if labels else {},
        )
        input_settings = InputSettings(
            field,
            id_field,
            text_unit,  # type: ignore[arg-type]
        )
        _check_device(gpu_id)
        setup_gpu(gpu_id, silent=True)
        nlp = spacy.load(model)
        pipe = nlp.get_pipe(choose_component(nlp, model, component))
        settings = ApplySettings(
            format=format,
            shard_size=shard_size,
            input=input_settings,
            export=export,
            attr=pipe.cfg["attr"],  # type: ignore[attr-defined]
        )
        # the progress is only shown in a terminal
        with (
            fast_cpu(gpu_id),
            tqdm.tqdm(disable=None, unit="doc", smoothing=0.1) as progress,
        ):

            def start(documents: int, done: int) -> None:
                progress.reset(documents)
                # the rate is that of this run
                progress.initial = progress.n = done
                progress.refresh()

            applied = apply(
                nlp,
                source,
                output,
                settings,
                batch_size=batch_size or None,
                n_process=n_process,
                on_start=start,
                on_progress=progress.update,
            )
        for line in applied.ignored:
            msg.warn(line)
        (msg.warn if applied.failed else msg.good)(applied.summary())
        msg.good(f"{output}")


@jre_cli.command("debug-data", context_settings=WITH_OVERRIDES)
def debug_data_cli(
    ctx: typer.Context,  # contains the overrides
    config: Annotated[Path, typer.Argument(help="Training config")],
    train: Annotated[
        Path | None,
        typer.Option(help="Training data (.spacy). Default: as in the config"),
    ] = None,
    dev: Annotated[
        Path | None,
        typer.Option(help="Development data (.spacy). Default: as in the config"),
    ] = None,
    test: Annotated[
        Path | None,
        typer.Option(help="Test data (.spacy), to compare with the other data"),
    ] = None,
    component: Component = "",
    recipe: Recipe = "recommended",
    output: Annotated[
        Path | None, typer.Option(help="Output JSON file for statistics and findings")
    ] = None,
    code: Annotated[
        Path | None,
        typer.Option("--code", "-c", help="Python file with registered functions"),
    ] = None,
) -> None:
    """Check training data: show statistics, errors, warnings and advice.

    Other options override the config, as in --components.jre.max_span_width 8.
    The exit code is 1 if there are errors.
    """
    import srsly
    from spacy.cli._util import import_code

    from .debug_data import debug_data
    from .debug_print import print_report
    from .overrides import read_overrides
    from .recipes import choose_config

    with _plain_errors():
        overrides = read_overrides(ctx.args)
        for name, path in (("train", train), ("dev", dev)):
            if path is not None:
                overrides[f"paths.{name}"] = str(path)
        import_code(code)
        config = choose_config(config, recipe)
        report = debug_data(config, overrides=overrides, test=test, component=component)
        print_report(report)
        if output is not None:
            output.parent.mkdir(parents=True, exist_ok=True)
            srsly.write_json(output, report.as_json())
        if any(finding.level == "error" for finding in report.findings):
            raise typer.Exit(1)


@jre_cli.command("tune-thresholds")
def tune_thresholds_cli(
    model: Annotated[str, typer.Argument(help="Name or path of a pipeline")],
    dev: Annotated[Path, typer.Argument(help="Development data (.spacy)")],
    output: Annotated[
        Path | None,
        typer.Option(help="Output folder. Default: change the pipeline in its folder"),
    ] = None,
    component: Component = "",
    min_support: Annotated[
        int,
        typer.Option(
            help="Minimum number of relations of a label with its own threshold. Other "
            "labels share one"
        ),
    ] = 10,
    gpu_id: GpuId = -1,
    trust: Trust = None,
) -> None:
    """Choose the thresholds with the best strict relation F1 on development data.

    Predicts the data once, with its tokens and sentences, and tries all thresholds: one
    per relation label, and one for the labels with few relations. Saves them in the
    pipeline, as `threshold` and `label_thresholds` of the component.
    """
    from spacy.cli._util import setup_gpu

    from .train import check_numbers
    from .tune_thresholds import tune_thresholds

    with _plain_errors(), trust_remote_code(*(trust or ())):
        check_numbers(min_support=min_support)
        _check_device(gpu_id)
        setup_gpu(gpu_id, silent=True)
        tuning = tune_thresholds(
            model, dev, output=output, component=component, min_support=min_support
        )
        header = ("Relation", "Gold", "Threshold", "F1", "Tuned", "F1")
        aligns = ("l", *"rrrrr")
        msg.table(tuning.rows(), header=header, divider=True, aligns=aligns)
        if tuning.new == tuning.old:
            msg.warn("No thresholds are better than the current ones.")
        if tuning.not_in_config:
            labels = ", ".join(tuning.not_in_config)
            msg.warn(
                f"config.cfg can't contain the labels {labels}. "
                f"Their thresholds are only in {tuning.component}/cfg, which takes "
                "precedence when the pipeline is loaded."
            )
        msg.text(f"Threshold of other labels: {tuning.new.threshold:g}")
        msg.good(f"{tuning.path}")


@jre_cli.command("check-vars")
def check_vars_cli(
    project: Annotated[Path, typer.Argument(help="Path to project.yml")],
    dataset: Annotated[str, typer.Option(help="Name of a folder in assets/")],
    model: Annotated[
        str, typer.Option(help="Name of a config in configs/, without .cfg")
    ],
    version: Annotated[str, typer.Option(help="Version of the package")],
    recipe: Recipe = "recommended",
    fold: Fold = 0,
    encoder: Annotated[str, typer.Option(help="See `spacy jre train`")] = "",
    seed: Seed = 0,
    gpu_id: GpuId = -1,
    epochs: Epochs = 0,
    batch_size: BatchSize = 0,
    learn_rate: LearnRate = 0.0,
    warmup: Warmup = -1.0,
    grad_clip: GradClip = -1.0,
) -> None:
    """Check the variables of a project before its other steps run.

    `spacy project run` accepts any variable name and any value. This command reports
    names that are not defined in project.yml, and values that are not valid.
    """
    from .overrides import short_overrides
    from .project_vars import check_vars, command_line_of_parent
    from .train import check_numbers

    with _plain_errors():
        check_vars(
            project,
            command_line_of_parent(),
            dataset=dataset,
            model=model,
            recipe=recipe,
            version=version,
            fold=fold,
            encoder=encoder,
        )
        check_numbers(epochs=epochs, batch_size=batch_size, seed=seed)
        short_overrides(learn_rate, warmup, grad_clip)
        _check_device(gpu_id)
        msg.good("The variables of the project are valid")


def _check_device(gpu_id: int) -> None:
    """Show the name of the GPU, or fail before the first step if it can't be used.

    spaCy itself shows the GPU ID, or that it uses the CPU.
    """
    if gpu_id != -1:
        from .device import check_gpu

        msg.info(f"GPU {gpu_id}: {check_gpu(gpu_id)}")


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Show errors of this package as one line, without a traceback."""
    try:
        yield
    except (JREError, OSError) as error:  # OSError: e.g. no permission
        msg.fail(str(error), exits=1)


@contextmanager
def _stopped_by_signal() -> Iterator[None]:
    """End with one line and the exit code of the signal: 130 after Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt as error:
        msg.warn(
            str(error)
            or "Stopped without saving. If the output folder has a "
            "training-state, --resume continues it."
        )
        raise typer.Exit(128 + getattr(error, "number", signal.SIGINT)) from error
