"""Standard output and error of a command: whatever is written, by us or by a library, cannot steer a terminal.

Names in a foreign certificate, checkpoint or data set end up in results, errors, warnings, logs and progress bars.
They pass through here, one way or another, and all that would not show itself is escaped.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, TextIO

from transferbound.wording import one_line, printable

__all__ = ["printable_output"]

_UP = "\x1b[A"  # how a progress bar goes back to its own line


class _Printable:
    """A text stream that escapes what it is given to write; all else is that of the stream within."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        if name in ("buffer", "detach", "reconfigure"):  # ways around this one
            raise AttributeError(name)
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Writes it; line breaks stay, and what a progress bar does to move: to begin with a return, or to go up."""
        moves = text and not text.replace(_UP, "").strip("\n")
        start = "\r" if text.startswith("\r") else ""
        shown = text if moves else start + printable(text[len(start) :], keep="\n")
        self._stream.write(_encodable(shown, self._stream.encoding))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Writes them."""
        for line in lines:
            self.write(line)


def _encodable(text: str, encoding: str | None) -> str:
    """With an escape for what the stream's encoding does not have: a name is no reason to fail."""
    encoding = encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


class _OneLineRecord(logging.LogRecord):
    """A record of a log whose message is one line, whatever it quotes."""

    def getMessage(self) -> str:  # noqa: N802
        """The message."""
        return one_line(super().getMessage())


def _format_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> str:
    return f"{category.__name__}: {one_line(str(message))}\n"


@contextmanager
def printable_output() -> Iterator[None]:
    """While it lasts, all that Python code writes to standard output and error is printable."""
    record, warning = logging.getLogRecordFactory(), warnings.formatwarning
    logging.setLogRecordFactory(_OneLineRecord)
    warnings.formatwarning = _format_warning
    try:
        with redirect_stdout(_Printable(sys.stdout)), redirect_stderr(_Printable(sys.stderr)):
            yield
    finally:
        logging.setLogRecordFactory(record)
        warnings.formatwarning = warning
