"""The head beside its parts: a panel an emotion."""

from __future__ import annotations

from mimetic.panels import Panel, Section, Table, axis_of, scored, spread
from mimetic.plots import Dot, draw_dots
from mimetic.report.material import Material, short_names


def section(material: Material) -> Section:
    """Draw the scores of the head and of its parts with their intervals, a panel a target."""
    family = material.family
    names, evaluations = short_names(family), [system.scores for system in family]
    limits = axis_of([score.pearson for one in evaluations for score in one.targets.values()])
    panels = []
    for target in material.targets:
        scores = [one.targets[target].pearson for one in evaluations]
        told = f"{target}, Pearson: " + "; ".join(map("{} {}".format, names, map(spread, scores)))
        dots = [
            Dot(label=name, value=score.value, low=score.low, high=score.high, strong=place == len(names) - 1)
            for place, (name, score) in enumerate(zip(names, scores, strict=True))
        ]
        figure = draw_dots(dots, limits, name=f"parts {target}", told=told)
        panels.append(Panel(heading=target, facts="", figure=figure))
    several = len(family) > 1
    head = f"; {material.head.name} in colour" if several else ""
    return Section(
        heading="The fusion beside its parts" if several else "Each emotion with its interval",
        short="Parts" if several else "Intervals",
        told=[f"Pearson with its 95 % interval{head}. All panels share one axis."],
        panels=panels,
        numbers=Table(
            name="parts",
            caption="Pearson with its 95 % interval",
            columns=["Emotion", *names],
            rows=[
                [target, *(scored(one.targets[target].pearson) for one in evaluations)] for target in material.targets
            ],
        ),
    )
