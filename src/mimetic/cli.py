"""The command line: which commands there are, and how an error ends.

Results go to stdout, progress to stderr; ``--json`` prints one document and nothing else. Exit codes: 0 done, 1 a clip
or a check fell short, 2 a wrong call.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from mimetic.commands import benching, data, judging, keeping, learning, planning, searching, serving, tuning, using
from mimetic.commands.arguments import STOPPED, WRONG_CALL
from mimetic.records import MimeticError, UsageError

WrongWords: type[Exception] = typer.BadParameter.__bases__[0]
"""What typer raises for a call that it cannot read; it gives that class no name of its own."""

app = typer.Typer(
    add_completion=False,
    invoke_without_command=True,
    rich_markup_mode=None,
)


def first_sentence(command: Callable[..., object]) -> str:
    """Give the line that the list of commands has for one: whole, since typer would cut it where the screen ends."""
    return " ".join((command.__doc__ or "").split()).partition(". ")[0].removesuffix(".") + "."


for command in (
    using.demo,
    using.list_,
    data.make,
    data.init,
    data.audit,
    planning.plan,
    data.extract,
    data.import_,
    data.transcribe,
    learning.train,
    learning.ablate,
    searching.sweep,
    searching.stack,
    tuning.finetune,
    learning.refit,
    judging.evaluate,
    judging.compare,
    judging.stress,
    judging.report,
    judging.agreement,
    judging.card,
    using.predict,
    using.submit,
    using.check,
    keeping.forget,
    serving.serve,
):
    app.command(command.__name__.rstrip("_"), short_help=first_sentence(command))(command)
app.add_typer(keeping.store, name="store")
app.add_typer(benching.bench, name="bench", short_help=first_sentence(benching.benches))


# ------------------------------------------------------------------------------------------------ main


def _tell_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"mimetic {version('mimetic')}")
        raise typer.Exit


@app.callback()
def whole(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - typer has told it by then
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Predict how strongly people show emotions in short clips: emotional mimicry intensity."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line: errors become one line and an exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(words, prog_name="mimetic", standalone_mode=False)
    except MimeticError as error:
        code = _fail(error, as_json="--json" in words)
    except WrongWords as error:
        code = _fail(_reworded(error), as_json="--json" in words)
    except OSError as error:
        told = UsageError(f"{error.filename or 'a file'}: {error.strerror or error}", remedy="Choose another place.")
        code = _fail(told, as_json="--json" in words)
    except (KeyboardInterrupt, typer.Abort):
        code = STOPPED
    if code == STOPPED:  # typer itself turns Ctrl-C into it, without a word
        sys.stderr.write("stopped: the same command goes on where it was\n")
    sys.exit(code or 0)


def _reworded(error: Exception) -> UsageError:
    """Say what typer says of a call in our voice, with the option it is about and the command whose help tells more."""
    told = str(getattr(error, "format_message", error.__str__)())
    context = getattr(error, "ctx", None)
    command = "mimetic" if context is None else context.command_path
    return UsageError(told[:1].lower() + told[1:].rstrip("."), remedy=f"See `{command} --help`.")


def _fail(error: MimeticError, *, as_json: bool) -> int:
    if as_json:
        sys.stdout.write(json.dumps(error.as_json(), ensure_ascii=False) + "\n")
    else:
        sys.stderr.write(f"mimetic: {error}\n")
    return WRONG_CALL


if __name__ == "__main__":
    main()
