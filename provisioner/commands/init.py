"""`laneway init`: a first chain file from what runs in a namespace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from provisioner.inspection.members import Sorted

Namespace = Annotated[str, typer.Argument(metavar="NAMESPACE", help="the namespace whose services to list")]
Named = Annotated[str, typer.Option("--chain", help="the chain's name; else the namespace's")]
Output = Annotated[Path, typer.Option("--output", "-o", help="the file to write, or - for the terminal")]

DEFAULT = Path("laneway.yaml")


def init(namespace: Namespace, chain: Named = "", output: Output = DEFAULT) -> None:
    """Draft a chain file from what runs in a namespace. Writes that one file and nothing to the cluster.

    A file that exists is left as it is. Exit codes: 0 written; 1 an error, said on stderr; 2 wrong usage.
    """
    from provisioner.chain import grammar
    from provisioner.inspection import draft

    found = _sorted(namespace)
    text = draft.text(chain or namespace, namespace, found)
    grammar.parse(text, str(output))  # says what is wrong with a name that was given
    if str(output) == "-":
        typer.echo(text, nl=False)
        return
    _write(output, text)
    typer.echo(
        f"{output}: {len(found.candidates)} services, {len(found.left_out)} left out; look for GUESS, then:"
    )
    typer.echo(f"  laneway check {output}")


def _sorted(namespace: str) -> Sorted:
    from provisioner.commands import asking
    from provisioner.errors import InputError, PermanentError
    from provisioner.inspection import gather, members

    seen = gather.namespaces(asking.connect(), [namespace], gather.DRAFTED)
    if namespace in seen.absent:
        raise InputError("there is no such namespace", where=f"namespace {namespace}")
    if seen.unread:
        raise PermanentError(
            "\n".join(seen.unread.values()), where=f"namespace {namespace}", reason="Forbidden"
        )
    found = members.sort(namespace, seen)
    if not found.candidates:
        why = "".join(f"\n  {name}: {reason}" for name, reason in found.left_out)
        raise InputError(f"no Service of it can be in a chain{why}", where=f"namespace {namespace}")
    return found


def _write(output: Path, text: str) -> None:
    from provisioner.errors import InputError

    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise InputError(
            "exists and is left as it is; name another with --output", where=str(output)
        ) from None
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", where=str(output)) from error
