"""What is said about a wrong chain file: each file in tests/data/chains/bad begins with the lines, as `#! `
comments. LANEWAY_REGENERATE=1 writes them anew, to be read over before they are committed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from provisioner.chain import grammar as chainfile
from provisioner.errors import ConfigError

BAD = Path(__file__).parents[2] / "data" / "chains" / "bad"
MARK = "#! "


def _said(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        chainfile.parse(text, "laneway.yaml")
    return [line.removeprefix("laneway.yaml:") for line in str(caught.value).splitlines()]


def _split(text: str) -> tuple[list[str], str]:
    lines = text.splitlines(keepends=True)
    expected = [line.removeprefix(MARK).rstrip("\n") for line in lines if line.startswith(MARK)]
    return expected, "".join(lines[len(expected) :])


@pytest.mark.parametrize("path", sorted(BAD.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_wrong_file_is_answered_with_all_that_is_wrong(path: Path) -> None:
    expected, body = _split(path.read_text())
    said = _said(body)
    if os.environ.get("LANEWAY_REGENERATE"):
        path.write_text("".join(f"{MARK}{line}\n" for line in said) + body)
    else:
        assert said == expected
