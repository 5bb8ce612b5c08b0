"""``transferbound export`` and ``push``: what takes a certified model to where others find it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from transferbound.cli.guard import guarded
from transferbound.cli.told import FAILED, Folder, Json, PriorNow, Quiet, ReferenceNow, tell

__all__ = ["export", "push"]


@guarded(FAILED)
def export(
    folder: Folder,
    out: Annotated[Path, typer.Option(help="The new folder; must not exist.")],
    to: Annotated[
        str | None,
        typer.Option(
            help="timm, transformers, sentence-transformers, peft or onnx. Default: the checkpoint's own library where "
            "its form can carry the predictor, else onnx."
        ),
    ] = None,
    prior: PriorNow = None,
    reference: ReferenceNow = None,
    dataset: Annotated[
        str | None,
        typer.Option(help="Where the data set is now: its rows set aside, or all of them for --check all."),
    ] = None,
    check: Annotated[
        str,
        typer.Option(
            metavar="N|all",
            help="Ask the export and the predictor the same N inputs that come with the package; all: the training "
            "rows, and count the errors.",
        ),
    ] = "64",
    quiet: Quiet = False,
) -> None:
    """Write the certified model as an ordinary checkpoint.

    Certificate, message and card lie beside it.

    It is loaded with no line of transferbound: timm.create_model("local-dir:OUT", pretrained=True), AutoModelFor...,
    pipeline, SentenceTransformer, PeftModel, or onnxruntime (model.onnx). After it is written, that library loads it
    and its answers are compared with the certified ones.

    Examples:

    \b
      transferbound export reviews --out reviews-model
      transferbound export digits --out digits-onnx --to onnx --check all
    """
    from transferbound.cli.export import run_export

    run_export(folder, out, to, prior=prior, reference=reference, dataset=dataset, check=check, quiet=quiet)


@guarded(FAILED)
def push(
    folder: Annotated[Path, typer.Argument(help="Folder that `transferbound bound` or `export` wrote.")],
    repo_id: Annotated[
        str, typer.Argument(help="OWNER/NAME on the Hub; the repository is made if there is none.")
    ],
    exported: Annotated[
        Path | None,
        typer.Option(
            help="What `transferbound export` wrote of the same certificate, to be published with it."
        ),
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
    revision: Annotated[
        str | None, typer.Option(help="The branch; it is made if there is none. Default: the main one.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be published; nothing is sent.")
    ] = False,
    json_: Json = False,
    quiet: Quiet = False,
) -> None:
    """Publish a certificate on the Hub.

    Certificate, message, card and, where there is one, the exported model, in one commit.

    Nothing else that lies in the folder is sent. A folder whose card does not agree with its certificate is refused.
    Log in with `hf auth login`, or set HF_TOKEN.

    Examples:

    \b
      transferbound push reviews me/reviews-certified --dry-run
      transferbound push reviews me/reviews-certified --exported reviews-model --private
    """
    from transferbound.cli.push import pushed_text
    from transferbound.hub.push import push as publish

    pushed = publish(folder, repo_id, exported=exported, private=private, revision=revision, dry_run=dry_run)
    tell(pushed.to_dict(), json_, quiet, lambda: pushed_text(pushed))
