"""Is the installed package whole, and what the two archives should hold? Run by ``package``."""

from __future__ import annotations

import importlib.metadata
import sys
import tarfile
import zipfile
from pathlib import Path

import transferbound
from transferbound.priors.reference import default_reference

site, wheel, sdist = map(Path, sys.argv[1:])

assert Path(transferbound.__file__).is_relative_to(site), f"{transferbound.__file__} is not in {site}"
assert importlib.metadata.version("transferbound") == transferbound.__version__
for name in transferbound.__all__:
    assert getattr(transferbound, name) is not None, name
assert default_reference("text").n > 1000  # the packaged sentences
assert transferbound.bounds.occam_binomial(6812, 50_000, 8488.09, 0.05) < 0.35063

names = zipfile.ZipFile(wheel).namelist()
assert {name.split("/")[0].split("-")[0] for name in names} == {"transferbound"}, (
    "more than the package is installed"
)
for file in (
    "py.typed",
    "priors/reference/sentences.txt.gz",
    "priors/reference/LICENSE.WordNet",
    "priors/components/imagenet_nouns.txt.gz",
):
    assert f"transferbound/{file}" in names, f"the wheel is without {file}"
assert any(name.endswith("licenses/LICENSE") for name in names), "the wheel is without its licence"
assert not any(name.endswith((".pyc", ".bin")) for name in names)

with tarfile.open(sdist) as archive:
    inner = {name.split("/", 1)[-1] for name in archive.getnames()}
for file in (
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "docs/tutorial.md",
    "docs/examples/use.py",
    "tests/conftest.py",
):
    assert file in inner, f"the sdist is without {file}"
print(f"{wheel.name}: {len(names)} files; {sdist.name}: {len(inner)} files")
