"""Figures of matplotlib become inline SVG for a page: a Figure in, an element out.

Colours leave as CSS variables, type as text in the page's own font, so that one figure reads in light, dark and print.
The same figure gives the same bytes.
"""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
from typing import Any

import matplotlib
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH = 300
"""Of a panel, in CSS pixels; the figure scales with its column."""

SIZE = 11
"""Of its type, in the same pixels."""

INK, SOFT, MUTE, RULE, ACCENT = "#1b1f24", "#5d656f", "#8f99a4", "#dfe3e7", "#1d5fae"
"""What matplotlib draws with; on the page each is the CSS variable of its name, and this where there is none."""

_VARIABLES = {INK: "--ink", SOFT: "--soft", MUTE: "--mute", RULE: "--rule", ACCENT: "--accent"}

STYLE: Any = {  # matplotlib's own type for it has changed between versions
    "svg.fonttype": "none",
    "font.size": SIZE,
    "font.sans-serif": ["DejaVu Sans"],
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": RULE,
    "axes.linewidth": 1,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "axes.xmargin": 0.02,
    "grid.color": RULE,
    "grid.linewidth": 1,
    "xtick.color": RULE,
    "xtick.labelcolor": SOFT,
    "ytick.color": RULE,
    "ytick.labelcolor": SOFT,
    "xtick.major.size": 3,
    "xtick.major.width": 1,
    "ytick.major.size": 0,
    "lines.solid_capstyle": "round",
}


def new_figure(*, height: float) -> Figure:
    """Give a figure as wide as a panel, and as high as is said in pixels."""
    return Figure(figsize=(WIDTH / 72, height / 72), dpi=72)


def new_axes(figure: Figure, *, left: float, bottom: float, top: float) -> Axes:
    """Place axes by their margins in pixels; the right one leaves room for half a tick's label."""
    width, height = figure.get_size_inches() * 72
    right = 12
    return figure.add_axes(
        (left / width, bottom / height, (width - left - right) / width, (height - bottom - top) / height)
    )


def as_svg(figure: Figure, name: str, told: str) -> Markup:
    """Write the figure as an SVG element for a page: ``name`` keeps its ids its own, ``told`` says what it shows."""
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    root = ET.fromstring(buffer.getvalue())
    for parent in root.iter():
        for child in [child for child in parent if _is_baggage(child)]:
            parent.remove(child)
    for element in root.iter():
        _plain(element)
    box = root.attrib["viewBox"]
    root.attrib.clear()
    root.attrib.update({"class": "plot", "viewBox": box, "role": "img", "aria-label": told})
    return Markup(ET.tostring(root, encoding="unicode"))


def _is_baggage(element: ET.Element) -> bool:
    """Tell what a page does not need: matplotlib's metadata, and a style that would reach beyond the figure."""
    return element.tag.endswith(("}metadata", "}style"))


def _plain(element: ET.Element) -> None:
    """Take off what HTML has built in and ids that would repeat from figure to figure; let colours be the page's."""
    element.tag = element.tag.rpartition("}")[2]
    if element.tag == "g":
        element.attrib.pop("id", None)
    for key in [key for key in element.attrib if key.startswith("{")]:
        element.attrib[key.rpartition("}")[2]] = element.attrib.pop(key)
    if "d" in element.attrib:
        element.attrib["d"] = " ".join(element.attrib["d"].split())
    for color, variable in _VARIABLES.items():
        if color in element.get("style", ""):
            element.attrib["style"] = element.attrib["style"].replace(color, f"var({variable}, {color})")
    element.text = (element.text or "").strip()
    element.tail = ""
