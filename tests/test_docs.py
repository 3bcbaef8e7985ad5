"""Examples, names and links in the documents match the code."""

import importlib
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from typer.main import get_command

from resizekit.cli.app import app
from resizekit.plugin.registry import installed
from resizekit.recipes.assemble import assemble, recipe_of
from resizekit.recipes.config import RunConfig

ROOT = Path(__file__).parents[1]
DOCS = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
GUIDES = ["plugins/README.md", "kernels/README.md", "weights/paper/README.md"]
OTHERS = ["CHANGELOG.md", "examples/README.md", "benchmarks/README.md", "benchmarks/NOTEBOOK.md"]
COMMANDS = get_command(app).commands


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text_of(page), flags=re.DOTALL | re.MULTILINE)


def block(page: str, language: str, having: str) -> str:
    """The first block of a page that contains a text."""
    return next(source for source in blocks(page, language) if having in source)


def without_blocks(page: str) -> str:
    return re.sub(r"^```.*?^```", "", text_of(page), flags=re.DOTALL | re.MULTILINE)


# --- examples run ------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [page for page in DOCS if blocks(page, "python")])
def test_python_blocks_run_in_order(page, tmp_path, monkeypatch, capsys):
    if any("resizekit.export(" in source for source in blocks(page, "python")):
        pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
        pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    (tmp_path / "examples").mkdir()
    shutil.copy(ROOT / "examples/astronaut.png", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    names = ModuleType("page").__dict__
    for source in blocks(page, "python"):
        exec(compile(source, page, "exec"), names)  # noqa: S102 - blocks of the project's own pages
    out = capsys.readouterr().out
    if page == "docs/library.md":
        size, decibels = re.search(r"^\((.*)\), PSNR ([\d.]+) dB$", out, flags=re.MULTILINE).groups()
        assert size == "256, 256"
        assert float(decibels) > 35


def command_lines() -> list[tuple[str, str]]:
    found = []
    for page in [*DOCS, *GUIDES, "CHANGELOG.md"]:
        for source in blocks(page, "sh"):
            for line in re.split(r"\n|&&", source.replace("\\\n", " ")):
                if line.strip().startswith("resizekit "):
                    found.append((page, line.strip()))
    return found


@pytest.mark.parametrize(("page", "line"), command_lines())
def test_documented_command_lines_are_valid(page, line):
    _, verb, *arguments = shlex.split(line, comments=True)
    assert verb in COMMANDS, f"{page}: {line}"
    command = COMMANDS[verb]
    command.make_parser(command.context_class(command)).parse_args(arguments)  # raises for an unknown option


def run_line(line: str, monkeypatch, capsys) -> str:
    from resizekit.cli import main

    monkeypatch.setattr(sys, "argv", shlex.split(line))
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    return capsys.readouterr().out


def test_documented_plan_is_printed(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    line = block("docs/any-size.md", "sh", "--plan").strip()
    assert run_line(line, monkeypatch, capsys) == block("docs/any-size.md", "text", "bicubic enlarges")


def test_documented_roundtrip_has_the_printed_psnr(tmp_path, monkeypatch, capsys, section):
    monkeypatch.chdir(ROOT)
    line = f"resizekit roundtrip examples/astronaut.png --device cpu --precision float32 --out {tmp_path / 'out'}"
    printed = run_line(line, monkeypatch, capsys)
    documented = block("docs/getting-started.md", "text", "restored, PSNR RGB")
    decibels = re.compile(r"([\d.]+) dB")
    values = [[float(number) for number in decibels.findall(text)] for text in (printed, documented)]
    assert len(values[1]) == 6
    assert values[0] == pytest.approx(values[1], abs=0.02)
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == set(re.findall(r"`([\w-]+\.(?:png|json))`", section("README.md", "## Install")))


@pytest.mark.parametrize("page", [page for page in [*DOCS, *GUIDES] if blocks(page, "toml")])
def test_documented_configs_are_valid(page):
    for source in blocks(page, "toml"):
        raw = tomllib.loads(source)
        if raw.get("task") in installed().tasks:
            assemble(recipe_of(RunConfig.model_validate(raw)))
        else:
            assert "project" in raw or raw["task"] == "half-width", source


# --- names exist -------------------------------------------------------------------------------

_NAME = re.compile(r"`(resizekit(?:\.\w+)+)")


def test_inline_names_resolve_after_a_plain_import():
    names = sorted({name for page in DOCS for name in _NAME.findall(without_blocks(page))})
    assert "resizekit.down_file" in names
    code = "import resizekit\n" + "".join(f"{name}\n" for name in names)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", GUIDES)
def test_inline_names_of_guides_can_be_imported(page):
    for name in _NAME.findall(without_blocks(page)):
        assert importable(name), f"{page} names {name}"


def importable(name: str) -> bool:
    """Whether a dotted name is a module, or an attribute of the longest module in it."""
    parts = name.split(".")
    for i in range(len(parts), 0, -1):
        try:
            value: object = importlib.import_module(".".join(parts[:i]))
        except ModuleNotFoundError:
            continue
        return all(hasattr(value, part) and (value := getattr(value, part)) is not None for part in parts[i:])
    return False


def slug(heading: str) -> str:
    plain = re.sub(r"[`*]", "", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def anchors(path: Path) -> set[str]:
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return {slug(heading) for heading in re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)}


@pytest.mark.parametrize("page", [*DOCS, *GUIDES, *OTHERS])
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", without_blocks(page)):
        if link.startswith(("http:", "https:")):
            continue
        name, _, anchor = link.partition("#")
        target = (ROOT / page).parent / name if name else ROOT / page
        assert target.exists(), f"{page} links to {link}"
        if anchor:
            assert anchor in anchors(target), f"{page} links to {link}, which has the anchors {sorted(anchors(target))}"


def test_readme_links_to_every_page():
    for page in DOCS[1:]:
        assert f"({page})" in text_of("README.md")


def test_readme_has_at_most_200_lines():
    assert len(text_of("README.md").splitlines()) <= 200
