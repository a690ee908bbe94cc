"""What the page was made from, and how to make it again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from mimetic.panels import Cell, Code, Listing, Section, Table
from mimetic.plots import ABSENT
from mimetic.records import Json
from mimetic.report.material import Material


def section(material: Material) -> Section:
    """Name data, splits, features, versions, runs; give the commands."""
    config = material.head.runs[0].config
    told = [
        f"DATA is the folder or file of {config['data']['name']}. The same recipe, data, features and seed give the"
        " same signature."
    ]
    if material.refit:
        names = ", ".join(sorted({run.recipe.name for run in material.refit}))
        told.append(f"Refit on all labelled clips, and so without a validation score: {names}.")
    return Section(
        heading="Provenance",
        short="Provenance",
        told=told,
        facts=list(_facts(material)),
        listings=list(_listings(material)),
        tables=[_features(material), _runs(material)],
    )


def _facts(material: Material) -> Iterator[tuple[str, str]]:
    data = material.head.runs[0].config["data"]
    yield "Data", f"{data['name']}, {_count(data['clips'])}, fingerprint {data['fingerprint']}"
    splits = {system.split: system.runs[0].config["split"] for system in material.systems}
    for split in splits.values():
        parts = f"{split['train']:,} training, {split['valid']:,} validation, {split['test']:,} test"
        yield "Split", f"{split['name']}: {parts}; fingerprint {split['fingerprint']}"
    yield "Versions", "; ".join(_versions(material))


def _count(clips: int) -> str:
    return f"{clips:,} clip{'' if clips == 1 else 's'}"


def _versions(material: Material) -> list[str]:
    """List the sets of versions that runs were trained with."""
    return list(dict.fromkeys(_told(run.config["versions"]) for system in material.systems for run in system.runs))


def _told(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _listings(material: Material) -> Iterator[Listing]:
    yield Listing(text="\n".join(system.command for system in material.systems))
    for system in material.systems:
        yield Listing(heading=f"Recipe of {system.name}", text=_code(system.recipe.content))
    for key, identity in _identities(material).items():
        yield Listing(heading=f"Feature {key}", text=_code(identity))


def _code(content: Any) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False)


def _identities(material: Material) -> dict[str, Json]:
    """Give what is on record of every feature, by its name; of one that was made otherwise, as it was first met."""
    return {
        feature.key: identity
        for system in reversed(material.systems)
        for feature, identity in zip(system.runs[0].features, system.runs[0].config["features"], strict=True)
    }


def _features(material: Material) -> Table:
    rows: dict[str, list[Cell]] = {}
    for system in material.systems:
        for feature, identity in zip(system.runs[0].features, system.runs[0].config["features"], strict=True):
            model, revision = identity.get("model") or "none", identity.get("revision") or "the file's own"
            made = identity.get("made", "extracted here")
            licence = feature.entry.licence
            told = [
                feature.entry.modality,
                model,
                Code(text=str(revision)[:12]) if model != "none" else ABSENT,
                licence,
                made,
            ]
            rows[feature.key] = [feature.key, *told]
    columns = ["Feature", "Modality", "Model", "Revision", "Licence", "Made"]
    return Table(name="features", caption="Features", columns=columns, words=columns[1:], rows=list(rows.values()))


def _runs(material: Material) -> Table:
    several = len(_versions(material)) > 1
    rows: list[list[Cell]] = [
        [
            system.name,
            str(run.seed),
            str(run.config["best_epoch"]),
            Code(text=run.signature),
            *([_told(run.config["versions"])] if several else []),
        ]
        for system in material.systems
        for run in system.runs
    ]
    columns = ["System", "Seed", "Best epoch", "Signature", *(["Versions"] if several else [])]
    return Table(name="runs", caption="Runs", columns=columns, words=columns[3:], rows=rows)
