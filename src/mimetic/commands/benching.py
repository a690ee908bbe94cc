"""Commands that measure ours beside the field's usual way."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from mimetic.commands.arguments import AsJson

bench = typer.Typer(help="Measure ours beside the field's usual way, in turns, on this machine.", rich_markup_mode=None)


@bench.callback()
def benches() -> None:
    """Measure ours beside the field's usual way, in turns, on this machine."""


@bench.command()
def training(
    quick: Annotated[bool, typer.Option("--quick", help="A tiny run, to see that it runs.")] = False,
    only: Annotated[str, typer.Option(metavar="NAME,NAME", help="These cases; all if not told.")] = "",
    full: Annotated[
        Path | None,
        typer.Option(metavar="DATA", help="Ours alone, on a data set with features.", show_default=False),
    ] = None,
    mmsa: Annotated[
        bool, typer.Option("--mmsa", help="MMSA's own training beside ours, where it is installed.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="A folder for bench_training.json and .md.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Training: made clips with a long tail of lengths, against padding, packed sequences and a file a clip.

    Takes about ten minutes; seconds are processor seconds, ratios come from one run.
    """
    from dataclasses import replace

    from mimetic import calls, console
    from mimetic.benching import pages
    from mimetic.benching.cases import CASES
    from mimetic.benching.training import FULL, QUICK, bench_stored, bench_training
    from mimetic.progress import bars
    from mimetic.records import find

    names = calls.names_in(only)
    for name in names:
        find(CASES, name, "case")
    with bars() as shown, tempfile.TemporaryDirectory() as folder:
        progress = shown.counter("measuring")
        if full is not None:
            found = bench_stored(full, names or ("F1", "LSTM 1x128"), progress=progress)
        else:
            plan = QUICK if quick else FULL
            plan = replace(plan, cases=names) if names else plan
            plan = replace(plan, mmsa=tuple(name for name in plan.cases if name == "F1")) if mmsa else plan
            found = bench_training(Path(folder), plan, progress=progress)
    command = "mimetic bench training" + (" --full DATA" if full else "")
    written = pages.write(found, out, "bench_training_full" if full else "bench_training", command) if out else []
    if as_json:
        console.print_json(found)
        return
    for title, columns, rows in pages.tables(found):
        console.print_table(columns, rows, title=title)
    console.print_lines(*map(str, written))


@bench.command()
def extraction(
    quick: Annotated[bool, typer.Option("--quick", help="A tiny run, to see that it runs.")] = False,
    only: Annotated[str, typer.Option(metavar="NAME,NAME", help="heavy, light; both if not told.")] = "",
    repeats: Annotated[int, typer.Option(min=1, help="Turns.")] = 3,
    backend: Annotated[str, typer.Option(help="torch, openvino, onnx, or auto: the fastest here.")] = "auto",
    out: Annotated[
        Path | None,
        typer.Option(help="A folder for bench_extraction.json and .md.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure extraction: raw clips to features, against frames in files, and against the machine's own limit.

    Takes about ten minutes; seconds are processor seconds, ratios come from one run.
    """
    from dataclasses import replace

    from mimetic import calls, console
    from mimetic.backends import AUTO, BACKENDS
    from mimetic.benching import pages
    from mimetic.benching.extraction import FULL, QUICK, bench_extraction
    from mimetic.progress import bars
    from mimetic.records import find

    find({AUTO: None, **BACKENDS}, backend, "backend")
    loads = {workload.name: workload for workload in FULL.workloads}
    chosen = tuple(find(loads, name, "workload") for name in calls.names_in(only) or loads)
    plan = QUICK if quick else replace(FULL, workloads=chosen, repeats=repeats, backend=backend)
    with bars() as shown, tempfile.TemporaryDirectory() as folder:
        found = bench_extraction(Path(folder), plan, progress=shown.counter("measuring"))
    written = pages.write(found, out, "bench_extraction", "mimetic bench extraction") if out else []
    if as_json:
        console.print_json(found)
        return
    for title, columns, rows in pages.tables(found):
        console.print_table(columns, rows, title=title)
    console.print_lines(*map(str, written))
