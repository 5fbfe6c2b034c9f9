"""The help page of a subcommand, in groups and with an example, and suggestions for unknown options.

Options are listed in the group of the class that declares them. For a misspelt option the error suggests the closest
one; for a model setting it names the table of the config file that the setting belongs in.
Cost: imports only typer; the model settings only when an option is unknown. Knows no command.
"""

from __future__ import annotations

import re
from typing import Any

from typer.core import TyperCommand

from ulmus.cli.settings import command_name, meant

__all__ = ["Command"]

_ADDRESS = re.compile(
    r"auto|local|(ray://)?[^/\\\s]+:\d+"
)  # of a cluster; a file that looks like one: ./NAME


class Command(TyperCommand):
    """A subcommand with grouped plain-text help and usage errors that suggest what was meant."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse as click does; the error for an unknown option suggests the closest one."""
        try:
            return list(super().parse_args(ctx, _with_values(self, args)))
        except Exception as error:
            # raised by click, or by the copy of click inside typer
            if type(error).__name__ == "NoSuchOption":
                _suggest(error, self, command_name(ctx))
            raise

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The words after the command's name in the usage line; optional arguments are in brackets."""
        arguments = [param for param in self.get_params(ctx) if _is_argument(param)]
        names = [_name(param) if param.required else f"[{_name(param)}]" for param in arguments]
        return [self.options_metavar or "", *names]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then the options group by group, the command's own first."""
        groups: dict[str, list[Any]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                _, text = record
                shown = (_name(param), text) if _is_argument(param) else record
                groups.setdefault(_group(param), []).append(shown)
        # a stable sort: the other groups keep their order
        for name in sorted(groups, key=lambda name: name != "Arguments"):
            with formatter.section(name):
                formatter.write_dl(groups[name])

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - click's signature
        """Write the example, line by line and unchanged."""
        if self.epilog:
            with formatter.section("Example"):
                for line in self.epilog.splitlines():
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


def _with_values(command: TyperCommand, args: list[str]) -> list[str]:
    """The arguments, with `local` after each option that takes an address and was given none: `--ray`."""
    optional = {name for param in command.params if param.metavar == "[ADDRESS]" for name in param.opts}
    filled: list[str] = []
    for argument, following in zip(args, [*args, ""][1:], strict=True):
        filled.append(argument)
        if argument in optional and not _ADDRESS.fullmatch(following):
            filled.append("local")
    return filled


def _is_argument(param: Any) -> bool:
    return bool(param.param_type_name == "argument")


def _name(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper())


def _group(param: Any) -> str:
    if _is_argument(param):
        return "Arguments"
    # --help, which click adds, has no group of its own
    return getattr(param, "rich_help_panel", None) or "Output"


def _suggest(error: Any, command: TyperCommand, called: str) -> None:
    """Add to a click error about an unknown option which one was probably meant."""
    known = [
        name for param in command.params for name in (*param.opts, *param.secondary_opts) if name[:2] == "--"
    ]
    hint = meant(error.option_name.lstrip("-"), [name[2:] for name in known], called, prefix="--")
    if hint:
        error.message, error.possibilities = f"{error.message}.{hint}", None
