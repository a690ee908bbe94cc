"""Every command with its arguments, options and defaults: typer's application in, a page of Markdown out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer.main

from mimetic.cli import app
from prose import as_markdown, page, table


def commands() -> Iterator[tuple[str, Any]]:
    """Give every command by its whole name, those of groups included."""
    yield from _commands("mimetic", typer.main.get_command(app))


def _commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", {})
    if not inner or _told(command):
        yield name, command
    for word, one in inner.items():
        yield from _commands(f"{name} {word}", one)


def _told(command: Any) -> list[Any]:
    return [parameter for parameter in command.params if parameter.name != "help"]


def commands_page() -> str:
    """Give the page of all commands."""
    intro = (
        "Results go to stdout, progress to stderr. Exit codes: 0 done, 1 a clip or a check fell short, 2 a wrong call, "
        "130 stopped. With `--json` a command prints one JSON document and nothing else."
    )
    return page("Commands", intro, *(_command(name, command) for name, command in commands()))


def _command(name: str, command: Any) -> str:
    rows = [_parameter(p) for p in _told(command)]
    usage = " ".join(
        [name, *(f"[{p.metavar or p.name.upper()}]" if not p.required else _metavar(p) for p in _arguments(command))]
    )
    told = table(["", "what it is", "if not told"], rows)
    return f"## {name}\n\n```text\n{usage} [OPTIONS]\n```\n\n{as_markdown(command.help)}\n\n{told}"


def _arguments(command: Any) -> list[Any]:
    return [p for p in command.params if p.param_type_name == "argument"]


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _parameter(parameter: Any) -> list[object]:
    shown = _metavar(parameter) if parameter.param_type_name == "argument" else ", ".join(parameter.opts)
    takes = parameter.param_type_name == "option" and not parameter.is_flag
    told = f"`{shown} {parameter.metavar or 'VALUE'}`" if takes else f"`{shown}`"
    default = "" if parameter.default in (None, False, [], "") else f"`{parameter.default}`"
    return [told, parameter.help or "", default]
