"""The command that says what an extraction will cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mimetic.commands.arguments import Accept, AsJson, DataOrFiles, Device, WordsFile

if TYPE_CHECKING:
    from mimetic.planning import Plan


def plan(
    data: DataOrFiles,
    names: Annotated[str, typer.Option("--with", help="Extractors: NAME,NAME+option=value.")] = "",
    models: Annotated[
        list[str], typer.Option("--model", help="Another checkpoint: FOLDER or ID; of several extractors NAME=FOLDER.")
    ] = [],  # noqa: B006 - typer reads it
    precision: Annotated[str, typer.Option(help="Of pretrained models: fp32, bf16, fp16 or int8.")] = "fp32",
    sample: Annotated[int, typer.Option(min=1, help="Clips that are measured, drawn at random.")] = 16,
    clips: Annotated[int, typer.Option(min=0, help="Plan for so many clips like these; 0 for those there are.")] = 0,
    cores: Annotated[int | None, typer.Option(min=1, help="Cores; those of this machine if not told.")] = None,
    price: Annotated[float, typer.Option(min=0.0, help="Of an hour of one core, in your money.")] = 0.04,
    seed: Annotated[int, typer.Option(help="Another sample for another seed.")] = 0,
    device: Device = "auto",
    backend: Annotated[
        str | None, typer.Option(help="Of models on the CPU: torch, openvino, onnx, or auto: the fastest here.")
    ] = None,
    accept: Accept = "",
    words: WordsFile = None,
    as_json: AsJson = False,
) -> None:
    """Say what extraction will cost, from a sample of the clips: processor time, bytes, time on N cores, money."""
    from mimetic import calls, progress
    from mimetic.datasets import open_datasets
    from mimetic.parallel import processors
    from mimetic.planning import plan as make_plan

    wanted = calls.wanted_features(names, models, precision)
    dataset = calls.worded(open_datasets(data), words)
    with progress.bars() as bars:
        counter = bars.counter("measuring clips")
        made = make_plan(
            dataset.clips,
            wanted,
            sample=sample,
            seed=seed,
            device=device,
            accepted=calls.names_in(accept),
            backend=backend,
            progress=counter,
        )
    _print(made, clips=clips or made.clips, cores=cores or processors(), price=price, as_json=as_json)


def _print(made: Plan, *, clips: int, cores: int, price: float, as_json: bool) -> None:
    from mimetic import calls, console

    costs = [*made.costs, made.total]
    scaled = [cost.scaled(clips, cores=cores, price=price) for cost in costs]
    if as_json:
        lines = [
            {"seconds_a_clip": cost.seconds, "bytes_a_clip": cost.bytes, **of}
            for cost, of in zip(costs, scaled, strict=True)
        ]
        *each, total = lines
        told = {"clips": clips, "sample": list(made.sample), "cores": cores, "price": price}
        both = zip(made.costs, each, strict=True)
        extractors = {cost.feature: {**line, "computed": cost.computed} for cost, line in both}
        console.print_json({**told, "extractors": extractors, "total": total})
        return
    rows = [
        (
            cost.feature,
            f"{cost.seconds:.3f}",
            f"{of['cpu_hours']:,.2f}",
            f"{of['cpu_hours_low']:,.2f} to {of['cpu_hours_high']:,.2f}",
            f"{of['bytes'] / 1e9:,.3f}",
            f"{of['hours']:,.2f}",
            f"{of['money']:,.2f}",
        )
        for cost, of in zip(costs, scaled, strict=True)
    ]
    columns = ["extractor", "CPU s a clip", "CPU hours", "95 % interval", "GB", f"hours on {cores} cores", "money"]
    console.print_table(columns, rows, title=f"{clips:,} clips, measured on {len(made.sample)} of {made.clips:,}")
    console.print_lines(*(calls.computed_by(cost.feature, cost.computed) for cost in made.costs if cost.computed))
    console.print_lines(f"money: at {price:g} an hour of a core; hours: if all cores are busy, and disks keep up")
