"""A subcommand as people meet it: help in groups with an example, and an answer to an option that there is not.

Options stand in the group of the class that declares them. A misspelt option is answered with the likeliest right
one, and a setting of the models with the table of the config file that it belongs in.
Cost: nothing is imported but typer; the settings of the models only where an option is not found. Knows no command.
"""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

from ulmus.cli.settings import meant

__all__ = ["Command"]


class Command(TyperCommand):
    """Plain help in groups; usage errors that suggest what was meant."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As click does; an unknown option is answered with the likeliest right one."""
        try:
            return list(super().parse_args(ctx, args))
        except Exception as error:
            if type(error).__name__ == "NoSuchOption":  # of click, or of the click that typer carries
                _suggest(error, self)
            raise

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments, then the options group by group, those of the command itself first."""
        groups: dict[str, list[Any]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                groups.setdefault(_group(param), []).append(record)
        for name in sorted(groups, key=lambda name: name != "Arguments"):  # stable: the others in their order
            with formatter.section(name):
                formatter.write_dl(groups[name])

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - click's signature
        """The example, line by line as it stands."""
        if self.epilog:
            with formatter.section("Example"):
                for line in self.epilog.splitlines():
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


def _group(param: Any) -> str:
    if param.param_type_name == "argument":
        return "Arguments"
    return getattr(param, "rich_help_panel", None) or "Output"  # --help, which click adds


def _suggest(error: Any, command: TyperCommand) -> None:
    """Say in a click error about an unknown option which one was probably meant."""
    known = [
        name for param in command.params for name in (*param.opts, *param.secondary_opts) if name[:2] == "--"
    ]
    hint = meant(error.option_name.lstrip("-"), [name[2:] for name in known], command.name or "", prefix="--")
    if hint:
        error.message, error.possibilities = f"{error.message}.{hint}", None
