"""What may go wrong in a command, expected or not: one line on standard error and an exit code that says so.

Exit code 1 means that a certificate does not hold. So nothing else may end with it, least of all a crash.
"""

from __future__ import annotations

import functools
import inspect
import sys
import traceback
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer

from transferbound.errors import TransferboundError
from transferbound.wording import one_line, shortened

__all__ = ["UnexpectedError", "exit_code_of", "guarded"]

_INTERRUPTED = 130
_MOST = 2000  # characters of an error that are shown

_Command = TypeVar("_Command", bound=Callable[..., None])
_Debug = Annotated[bool, typer.Option("--debug", help="Where a command fails, show the trace as well.")]


class UnexpectedError(TransferboundError):
    """What no part of the package foresaw: a damaged or hostile input, a library that is missing, a bug of ours."""

    def __init__(self, what: str, error: BaseException) -> None:
        super().__init__(f"{what}: {type(error).__name__}: {error}; pass --debug for the trace")


def guarded(what: str) -> Callable[[_Command], _Command]:
    """Lets a command have ``--debug``, and end in errors of ours alone.

    Args:
        what: what is said of it where it fails unexpectedly.
    """

    def decorate(command: _Command) -> _Command:
        @functools.wraps(command)
        def run(*arguments: Any, debug: bool, **options: Any) -> None:
            try:
                command(*arguments, **options)
            except KeyboardInterrupt:
                _say("interrupted; the same command goes on from the last checkpoint")
                raise typer.Exit(_INTERRUPTED) from None
            # Also what is no Exception: a library that ends the process, a panic in one that is not written in Python.
            except BaseException as error:
                if debug and not _is_of_command_line(error):
                    print(_trace(error), file=sys.stderr)
                if _is_expected(error):
                    raise
                raise UnexpectedError(what, error) from error

        own = inspect.signature(command, eval_str=True)
        debug = inspect.Parameter("debug", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=_Debug)
        parameters = [*own.parameters.values(), debug]
        run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        return run  # type: ignore[return-value]

    return decorate


def exit_code_of(run: Callable[[], object]) -> int:
    """Runs a command line; what went wrong is told on standard error."""
    try:
        code = run()
        sys.stdout.flush()
    except TransferboundError as error:
        _say(str(error))
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return _INTERRUPTED
    except BaseException as error:
        if not (_is_of_command_line(error) and hasattr(error, "show")):
            _say(str(UnexpectedError("it failed", error)))
            return UnexpectedError.exit_code
        error.show()
        return int(getattr(error, "exit_code", UnexpectedError.exit_code))
    return code if isinstance(code, int) else 0


def _is_expected(error: BaseException) -> bool:
    return isinstance(error, TransferboundError) or _is_of_command_line(error)


def _is_of_command_line(error: BaseException) -> bool:
    """Whether it is the library's that reads the command line: bad usage, or an exit code."""
    return type(error).__module__.split(".")[0] in ("click", "typer")


def _say(text: str) -> None:
    print(f"transferbound: {shortened(one_line(text), _MOST)}", file=sys.stderr)


def _trace(error: BaseException | None) -> str:
    """The lines of code that led to an error, and to the one it came from; each error is one line."""
    if error is None:
        return ""
    before = _trace(error.__cause__ or error.__context__)
    lines = "".join(traceback.format_tb(error.__traceback__))
    return f"{before}{lines}{one_line(f'{type(error).__name__}: {error}')}\n"
