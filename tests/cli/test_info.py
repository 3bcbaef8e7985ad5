"""`resizekit info` of several files and of installed weights."""

import json

import pytest


@pytest.fixture
def small(cli, weights, picture):
    """Write a small picture."""
    assert cli("down", picture(), "small.png", "--weights", weights).code == 0
    return "small.png"


def test_info_of_several_files_prints_each(cli, weights, small):
    run = cli("info", small, weights)
    first, second = run.out.split("\n\n")
    assert run.code == 0
    assert first.splitlines()[0].split() == ["file", small]
    assert second.splitlines()[0].split() == ["file", str(weights)]
    assert len(first.splitlines()) > 5


def test_info_of_several_files_is_a_list_in_json(cli, weights, small):
    rows = json.loads(cli("info", small, weights, "--json").out)
    assert [row.pop("file") for row in rows] == [small, str(weights)]
    assert rows == [json.loads(cli("info", name, "--json").out) for name in (small, weights)]


def test_info_continues_after_a_file_that_cannot_be_read(cli, small, workdir):
    (workdir / "broken.png").write_bytes(b"no picture")
    run = cli("info", "broken.png", "missing.png", small)
    assert run.code == 1
    assert [line.split()[1] for line in run.err.splitlines()] == ["broken.png", "missing.png"]
    assert run.out.split()[:2] == ["file", small]


def test_info_takes_the_name_of_installed_weights(cli, workdir):
    header = json.loads(cli("info", "sr-x2", "--json").out)
    assert (header["task"], header["spec"]) == ("sr", "s=2 r=2")


def test_info_prefers_a_file_to_weights_of_the_same_name(cli, small, workdir):
    (workdir / small).rename(workdir / "sr-x2")
    assert json.loads(cli("info", "sr-x2", "--json").out)["weights"] == "tiny"
