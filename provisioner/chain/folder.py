"""Reads chain files from disk: the edge around `grammar`.

Promises that what it returns fits together: no chain twice, no workload claimed by two chains. What is wrong
with several files is said at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from provisioner.chain import grammar as chainfile
from provisioner.chain.model import Chain
from provisioner.errors import ConfigError

_SUFFIXES = (".yaml", ".yml")


def load(path: Path) -> tuple[Chain, ...]:
    """The chains of a file, or of a folder's *.yaml and *.yml files, sorted by name.

    Raises ConfigError that says everything that is wrong, a line each, including a folder without chains.
    """
    if not path.exists():
        raise ConfigError(
            "does not exist; set LANEWAY_CHAINS to a chain file (laneway.yaml) or a folder of them",
            where=str(path),
        )
    return load_all([path])


def load_all(paths: Iterable[Path]) -> tuple[Chain, ...]:
    """The chains of several files and folders together."""
    problems: list[ConfigError] = []
    read: list[Chain] = []
    for file in _files(paths, problems):
        try:
            read.append(chainfile.parse(_text(file), str(file)))
        except ConfigError as error:
            problems.append(error)
    problems += _conflicts(read)
    if problems:
        raise _together(problems)
    return tuple(sorted(read, key=lambda chain: chain.name))


def _files(paths: Iterable[Path], problems: list[ConfigError]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        found = _within(path) if path.is_dir() else [path]
        if not found:
            problems.append(
                ConfigError("holds no chain file (*.yaml); write one laneway.yaml per chain", where=str(path))
            )
        files += [file for file in found if file not in files]
    return files


def _within(folder: Path) -> list[Path]:
    # a mounted ConfigMap keeps its data in hidden folders and links to it
    return sorted(
        file
        for file in folder.iterdir()
        if file.suffix in _SUFFIXES and not file.name.startswith(".") and file.is_file()
    )


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except FileNotFoundError:
        raise ConfigError("does not exist; a chain is described by a laneway.yaml", where=str(file)) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"is not UTF-8 (byte {error.start})", where=str(file)) from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=str(file)) from error


def _conflicts(chains: list[Chain]) -> list[ConfigError]:
    """Chains of one name, and workloads and entry domains that two chains claim."""
    found: list[ConfigError] = []
    owners: dict[str, Chain] = {}
    for chain in chains:
        for claim in _claims(chain):
            owner = owners.setdefault(claim, chain)
            if owner is not chain:
                found.append(ConfigError(f"{claim} is that of {owner.source} already", where=chain.source))
    return found


def _claims(chain: Chain) -> Iterable[str]:
    yield f"chain {chain.name}"
    for service in chain.services:
        yield f"{service.workload} in namespace {service.namespace}"
    if chain.entry.domain:
        yield f"entry domain {chain.entry.domain}"


def _together(problems: list[ConfigError]) -> ConfigError:
    first, *others = problems
    return ConfigError("\n".join([first.message, *map(str, others)]), where=first.where)
