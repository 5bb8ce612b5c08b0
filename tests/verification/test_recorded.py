"""Prior and data read from another place than the recorded one: what is renamed, and what still has to agree."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from short_certificates import of_texts
from spine_fixtures import QUICK, assigned, image_certificate, save_calibrated, world

from transferbound import LabelledData, Prior, certify, verify
from transferbound.certificate.certificate import Certificate
from transferbound.data.examples import Examples
from transferbound.errors import ArgumentError, CertificateError, PriorError
from transferbound.report.card import write_card
from transferbound.verification.recorded import Places


@pytest.fixture
def elsewhere(tmp_path: Path) -> dict[str, str]:
    """``prior`` and ``dataset`` of the certificate, copied."""
    shutil.copytree(world() / "prior", tmp_path / "prior")
    shutil.copytree(world() / "bright-squares", tmp_path / "data")
    return {"prior": str(tmp_path / "prior"), "dataset": str(tmp_path / "data")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(image_certificate(), tmp_path / "certificate"))


def rewrite(folder: Path, path: tuple[str | int, ...], value: object) -> None:
    file = folder / "certificate.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(assigned(content, path, value)), encoding="utf-8")


def test_a_renamed_prior_is_a_copy() -> None:
    prior = Prior.from_pretrained(str(world() / "prior"))
    name, said = prior.name, dict(prior.provenance)
    named = prior.under_name("someone/net", "a" * 40, {"license": "mit", "files": []})
    assert (named.name, named.revision, named.licence) == ("someone/net", "a" * 40, "mit")
    assert named.provenance == {"license": "mit", "files": []}
    assert named.fingerprint == prior.fingerprint
    assert (prior.name, prior.revision, prior.provenance) == (name, None, said)
    assert prior.under_name("someone/net").provenance == said


def test_renamed_rows_are_a_copy_of_the_same_kind() -> None:
    data = LabelledData.load(str(world() / "bright-squares"))
    named = data.under_name("someone/squares", config="grey", revision="b" * 40)
    assert (named.name, named.config, named.revision) == ("someone/squares", "grey", "b" * 40)
    assert isinstance(named, LabelledData)
    assert (named.fingerprint, named.labels.tolist()) == (data.fingerprint, data.labels.tolist())
    assert data.name == str(world() / "bright-squares")
    rows = Examples.open(str(world() / "bright-squares")).under_name("someone/squares")
    assert (type(rows), rows.n) == (Examples, data.n)


def test_places_that_are_the_recorded_ones_are_none() -> None:
    content = Certificate.from_pretrained(image_certificate()).content
    recorded = Places(content["prior"]["id"], content["dataset"]["id"])
    assert recorded.elsewhere(content) == Places()
    assert Places("here", "there").elsewhere(content) == Places("here", "there")
    with pytest.raises(ArgumentError, match=r"'corpus' is given, but the certificate states none"):
        Places(pretraining_data="corpus").elsewhere(content)


def test_what_was_taken_on_its_word_is_noted(folder: Path, elsewhere: dict[str, str]) -> None:
    assert verify(folder).notes == ()
    verdict = verify(folder, **elsewhere)
    assert verdict.holds, verdict.problems
    assert [note.split(";")[0] for note in verdict.notes] == [
        f"the checkpoint was read from {elsewhere['prior']}",
        "the data was read from another place",
    ]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("datasets", {"train": 1}, "prior.provenance.datasets is"),
        ("tags", [None], r"prior.provenance.tags\[0\] is None"),
        ("title", 7, "prior.provenance.title is 7"),
    ],
)
def test_a_card_of_another_form_is_no_card(
    folder: Path, elsewhere: dict[str, str], key: str, value: object, message: str
) -> None:
    """The recorded card is what independence is checked by where the checkpoint lies elsewhere."""
    rewrite(folder, ("prior", "provenance", key), value)
    with pytest.raises(CertificateError, match=message):
        verify(folder, **elsewhere)


def test_the_licence_is_that_of_the_recorded_card(folder: Path, elsewhere: dict[str, str]) -> None:
    """Leak: a licence taken over beside the card that does not declare it."""
    rewrite(folder, ("prior", "licence"), "cc0-1.0")
    verdict = verify(folder, **elsewhere)
    assert [line.split(" is ")[0] for line in verdict.problems] == ["prior.licence"]


def test_a_card_that_hides_what_the_checkpoint_at_hand_admits(
    folder: Path, elsewhere: dict[str, str]
) -> None:
    card = "---\ndatasets:\n- bright-squares\n---\n"
    (Path(elsewhere["prior"]) / "README.md").write_text(card, encoding="utf-8")
    verdict = verify(folder, **elsewhere)
    assert len(verdict.problems) == 1
    assert verdict.problems[0].startswith(
        "independence.findings is without: its datasets names 'bright-squares'"
    )


def test_a_configuration_of_the_hub_in_a_local_folder(tmp_path: Path) -> None:
    """A folder that holds one configuration alone serves where the certificate names it as the Hub does."""
    prior, data = (
        Prior.from_pretrained(str(world() / "prior")),
        LabelledData.load(str(world() / "bright-squares")),
    )
    named = data.under_name("someone/squares", config="grey", revision=None)
    certify(prior, named, tmp_path / "out", QUICK, progress=False)
    verdict = verify(tmp_path / "out", dataset=str(world() / "bright-squares"))
    assert verdict.holds, verdict.problems
    assert any("someone/squares" in note for note in verdict.notes)


def test_a_checkpoint_beside_the_certificate_is_found(tmp_path: Path) -> None:
    """And held to its fingerprint, as one from anywhere."""
    prior = Prior.from_pretrained(str(world() / "prior")).under_name("nobody/has-this")
    data = LabelledData.load(str(world() / "bright-squares"))
    certify(prior, data, tmp_path / "out", QUICK, progress=False)
    with pytest.raises(PriorError, match="nobody/has-this"):
        verify(tmp_path / "out")
    shutil.copytree(world() / "prior", tmp_path / "out" / "prior")
    verdict = verify(tmp_path / "out")
    assert verdict.holds, verdict.problems
    assert any(
        "that nobody/has-this holds the same tensors was not checked" in note for note in verdict.notes
    )
    shutil.rmtree(tmp_path / "out" / "prior")
    save_calibrated(tmp_path / "out" / "prior", seed=2)
    assert verify(tmp_path / "out").problems[0].startswith("prior.sha256 is stated as")


def test_reference_inputs_from_another_place_are_noted(tiny_bert: Path, tmp_path: Path) -> None:
    case = of_texts(tiny_bert)
    assert case.reference is not None
    assert verify(case.folder).notes == ()
    shutil.copytree(case.reference.reference.name, tmp_path / "others")
    verdict = verify(case.folder, reference=str(tmp_path / "others"))
    assert verdict.holds, verdict.problems
    assert [note.split(";")[0] for note in verdict.notes] == [
        "the reference inputs were read from another place"
    ]


def test_weights_beside_a_certificate_are_not_what_holds(folder: Path, elsewhere: dict[str, str]) -> None:
    """Leak: a false model under a true certificate, of whose folder verify says that it holds."""
    assert not any("also holds" in note for note in verify(folder, **elsewhere).notes)
    for number in range(7):
        (folder / f"model-{number}.safetensors").write_bytes(b"other weights")
    verdict = verify(folder, **elsewhere)
    assert verdict.holds, verdict.problems
    (note,) = [note for note in verdict.notes if "also holds" in note]
    assert "model-0.safetensors" in note
    assert "and 2 more" in note
    assert "nothing was checked" in verdict.text()


def test_an_exported_folder_alone_has_the_card_of_another_library(
    folder: Path, elsewhere: dict[str, str]
) -> None:
    certificate = Certificate.from_pretrained(folder)
    write_card(folder, certificate, library="timm")
    assert [line.split(" under ")[1].split()[0] for line in verify(folder, **elsewhere).problems] == [
        "library_name"
    ]
    (folder / "export.json").write_text("{}", encoding="utf-8")
    assert verify(folder, **elsewhere).holds
