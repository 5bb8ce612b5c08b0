"""Options made from the fields of the settings that they fill: name, type, default and help stand there alone.

A field whose metadata has a ``help`` is an option. Further metadata: ``option``, its name where the field's is not
clear beside others; ``search``, whether ``--search`` may name it; ``group``, the heading that it stands under;
``metavar``, how its value is written.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

import typer

__all__ = ["Option", "fill", "options_of", "with_options"]

_Settings = TypeVar("_Settings")
_Command = TypeVar("_Command", bound=Callable[..., None])


@dataclass(frozen=True)
class Option:
    """An option of a command.

    Attributes:
        name: of the command's parameter; on the command line with dashes.
        field: the field of the settings that it fills.
        annotation: its type.
        default: what it is where it is not given; ``MISSING``: it must be given.
        help: one or two sentences.
        group: the heading that it stands under.
        metavar: how its value is written; None: as its type.
        searched: whether ``--search`` may name it.
        hidden: whether the help leaves it out.
    """

    name: str
    field: str
    annotation: Any
    default: Any
    help: str
    group: str
    metavar: str | None = None
    searched: bool = False
    hidden: bool = False

    @property
    def key(self) -> str:
        """The name with dashes."""
        return self.name.replace("_", "-")

    @property
    def scalar(self) -> type:
        """The type of one value, where it is not left out."""
        kinds = [kind for kind in get_args(self.annotation) if kind is not type(None)]
        found: type = kinds[0] if kinds else self.annotation
        return found

    def parameter(self) -> inspect.Parameter:
        """For the signature that typer reads."""
        info = typer.Option(
            help=self.help, metavar=self.metavar, rich_help_panel=self.group, hidden=self.hidden
        )
        default = inspect.Parameter.empty if self.default is MISSING else self.default
        return inspect.Parameter(
            self.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=default,
            annotation=Annotated[self.annotation, info],
        )


def options_of(settings: type, group: str) -> list[Option]:
    """The options that fill a dataclass of settings, in the order of its fields; ``group`` where a field has none."""
    types = get_type_hints(settings)
    return [
        Option(
            name=field.metadata.get("option", field.name),
            field=field.name,
            annotation=types[field.name],
            default=field.default,
            help=field.metadata["help"],
            group=field.metadata.get("group", group),
            metavar=field.metadata.get("metavar"),
            searched=field.metadata.get("search", False),
        )
        for field in fields(settings)
        if "help" in field.metadata
    ]


def fill(settings: type[_Settings], given: Mapping[str, Any], **others: Any) -> _Settings:
    """An object of ``settings`` with what was given to its options, and ``others`` by the names of the fields."""
    named = {option.field: given[option.name] for option in options_of(settings, "")}
    return settings(**named | others)


def with_options(options: Iterable[Option]) -> Callable[[_Command], _Command]:
    """Lets a command that takes ``**given`` have these options, before those that it names itself."""

    def decorate(command: _Command) -> _Command:
        own = inspect.signature(command, eval_str=True)
        named = [p for p in own.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        parameters = [option.parameter() for option in options]
        parameters += [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in named]
        command.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        return command

    return decorate
