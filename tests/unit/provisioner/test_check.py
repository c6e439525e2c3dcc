"""`laneway check`: what it prints and how it ends."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from provisioner import cli
from provisioner.errors import ConfigError

CHAINS = Path(__file__).parents[2] / "data" / "chains"


def test_check_shows_what_it_read() -> None:
    result = CliRunner().invoke(cli.build(), ["check", "--offline", str(CHAINS / "shop.yaml")])
    assert result.exit_code == 0
    heading, row = result.stdout.splitlines()
    assert heading.split() == ["CHAIN", "SERVICES", "REPOSITORIES", "NAMESPACES", "DRIVER", "FILE"]
    assert row.split() == ["shop", "2", "acme/shop", "shop", "envoy", str(CHAINS / "shop.yaml")]


def test_check_says_everything_that_is_wrong_with_all_files(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [CHAINS / "bad" / name for name in ("lifecycle.yaml", "unknown-key.yaml")]
    monkeypatch.setattr("sys.argv", ["laneway", "check", "--offline", *map(str, files)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    output = capsys.readouterr()
    assert ended.value.code == 1
    assert output.out == ""
    lines = output.err.splitlines()
    assert lines[0].startswith("laneway: InvalidConfig: ")
    assert [re.search(r"(\S+\.yaml):(\d+): (\S+): ", line) is not None for line in lines] == [True] * 7
    assert {file.name for file in files} == {Path(line.split(".yaml")[0]).name + ".yaml" for line in lines}


def test_check_without_a_file_reads_those_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANEWAY_CHAINS", str(CHAINS / "shop.yaml"))
    result = CliRunner().invoke(cli.build(), ["check", "--offline"])
    assert "shop.yaml" in result.stdout


def test_check_without_a_cluster_says_how_to_name_one_or_do_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LANEWAY_KUBECONFIG", raising=False)
    result = CliRunner().invoke(cli.build(), ["check", str(CHAINS / "shop.yaml")])
    assert isinstance(result.exception, ConfigError)
    assert "LANEWAY_KUBECONFIG" in str(result.exception)
    assert "--offline" in str(result.exception)


def test_check_of_a_file_that_is_not_there_says_so() -> None:
    result = CliRunner().invoke(cli.build(), ["check", "nowhere/laneway.yaml"])
    assert isinstance(result.exception, ConfigError)
    assert "nowhere/laneway.yaml: does not exist" in str(result.exception)
