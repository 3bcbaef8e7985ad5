"""The documents match the code: examples run, options and keys are complete, numbers come from the records."""

import importlib
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
import torch
from typer.main import get_command

import resizekit
from resizekit import errors
from resizekit.cli.app import app
from resizekit.codec import Recipe
from resizekit.plugin import hookspecs
from resizekit.plugin.records import Task, TaskConfig
from resizekit.plugin.registry import Registry, installed
from resizekit.recipes.assemble import assemble, recipe_of
from resizekit.recipes.checkpoint import read_header
from resizekit.recipes.config import Phase, RunConfig, TrainConfig

ROOT = Path(__file__).parents[1]
DOCS = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
GUIDES = ["plugins/README.md", "kernels/README.md"]
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


def rows(text: str) -> list[list[str]]:
    """The cells of all table rows."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]


def section(page: str, heading: str) -> str:
    """The text below a heading, up to the next one of its level or higher."""
    level = heading.split(" ")[0]
    match = re.search(
        rf"^{re.escape(heading)}$(.*?)(?=^#{{1,{len(level)}}} |\Z)", text_of(page), re.DOTALL | re.MULTILINE
    )
    assert match, f"{page} has no heading {heading!r}"
    return match[1]


# --- examples run ------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [page for page in DOCS if blocks(page, "python")])
def test_python_blocks_run_in_order(page, tmp_path, monkeypatch, capsys):
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


def test_documented_roundtrip_has_the_printed_psnr(tmp_path, monkeypatch, capsys):
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


# --- options and keys are complete -------------------------------------------------------------


def options_of(verb: str) -> set[str]:
    return {name for p in COMMANDS[verb].params for name in [*p.opts, *p.secondary_opts] if name.startswith("--")}


@pytest.mark.parametrize("verb", sorted(COMMANDS))
def test_every_option_is_documented(verb):
    text = section("docs/command-line.md", f"## resizekit {verb}")
    documented = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))
    assert options_of(verb) <= documented, f"missing in docs/command-line.md: {options_of(verb) - documented}"
    in_tables = {name for row in rows(text) for name in re.findall(r"--[a-z][a-z-]*", row[0])}
    assert in_tables <= options_of(verb), f"not an option of {verb}: {in_tables - options_of(verb)}"


def test_shared_options_exist():
    names = {name for row in rows(section("docs/command-line.md", "## Shared options")) for name in row[:1]}
    options = {name for verb in COMMANDS for name in options_of(verb)}
    documented = set(re.findall(r"--[a-z][a-z-]*", " ".join(names)))
    assert "--precision" in documented
    assert documented <= options


def default_of(cell: str) -> object:
    plain = cell.strip("`")
    return None if plain == "not set" else tomllib.loads(f"value = {plain}")["value"]


def plain_default(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize(("heading", "model"), [("### `[train]`", TrainConfig), ("### `[config]`", TaskConfig)])
def test_keys_are_documented_with_their_defaults(heading, model):
    table = {row[0].strip("`"): row[1] for row in rows(section("docs/training.md", heading)) if len(row) == 3}
    for name, field in model.model_fields.items():
        assert name in table, f"docs/training.md lacks {name}"
        assert default_of(table[name]) == plain_default(field.default), name
    assert set(table) - set(model.model_fields) <= {"key", "---"}


def test_keys_of_phases_are_documented():
    table = {row[0].strip("`") for row in rows(section("docs/training.md", "### Phases"))}
    assert set(Phase.model_fields) == table - {"key", "---"}


@pytest.mark.parametrize("name", sorted(resizekit.tasks()))
def test_keys_of_tasks_are_documented(name):
    table = [row for row in rows(section("docs/training.md", "### `[config]`")) if row[0] == f"`{name}`"]
    documented = {row[1].strip("`"): row[2] for row in table}
    for key, field in resizekit.tasks()[name].config.model_fields.items():
        base = TaskConfig.model_fields.get(key)
        if base is not None and base.default == field.default:
            continue
        assert key in documented, f"docs/training.md lacks {key} of task {name}"
        if key == "odds":  # the default depends on the depth
            continue
        default = default_of(documented[key])
        if isinstance(field.default, resizekit.ResizeSpec):
            default = resizekit.ResizeSpec.model_validate(default)
        assert default == plain_default(field.default), key


@pytest.mark.parametrize("kind", ["network", "compression"])
def test_options_of_networks_and_compressions_are_documented(kind):
    offers = installed().networks if kind == "network" else installed().compressions
    table = {row[0].strip("`"): row[1] for row in rows(section("docs/training.md", f"### `[{kind}]`"))}
    assert set(offers) == set(table) - {kind, "---"}
    for name, offer in offers.items():
        for option in offer.value.options.model_fields:
            assert f"`{option}`" in table[name], f"docs/training.md lacks the option {option} of {name}"


@pytest.mark.parametrize("name", sorted(name for name in vars(hookspecs) if name.startswith("resizekit_register_")))
def test_every_hook_is_documented(name):
    assert f"`{name}`" in text_of("docs/plugins.md")
    assert name in text_of("plugins/README.md") + text_of("kernels/README.md")


def test_every_field_of_a_task_and_every_op_is_documented():
    page, kernels = (text_of(page) for page in GUIDES)
    for name in set(Task.__dataclass_fields__) - {"name", "summary"}:
        assert f"| `{name}" in page
    for op in resizekit.ops.op_names():
        assert f"`{op}`" in kernels


def test_every_manifest_and_header_field_is_documented():
    from resizekit.images.manifest import Manifest
    from resizekit.recipes.checkpoint import Header

    for heading, model in (("## Small pictures", Manifest), ("## Weights files", Header)):
        cells = " ".join(row[0] for row in rows(section("docs/file-format.md", heading)))
        for name in model.model_fields:
            assert f"`{name}`" in cells, f"docs/file-format.md lacks {name}"


def test_every_error_class_is_documented():
    table = {row[0].strip("`") for row in rows(section("docs/library.md", "## Errors"))}
    classes = {name for name, value in vars(errors).items() if isinstance(value, type)} - {"ResizeKitError"}
    assert classes == table - {"class", "---"}


def test_every_extra_is_documented():
    extras = tomllib.loads(text_of("pyproject.toml"))["project"]["optional-dependencies"]
    cells = {row[0].strip("`") for row in rows(section("docs/getting-started.md", "## Install"))}
    assert set(extras) - {"dev"} == cells - {"extra", "---"}


# --- numbers come from the records -------------------------------------------------------------


def numbers_of(name: str, which: str) -> list[str]:
    """The cells of a row of docs/numbers.md; `which` is a set, with the factor where there are several."""
    matches = [row for row in rows(text_of("docs/numbers.md")) if " | ".join(row).startswith(f"`{name}` | {which} |")]
    assert len(matches) == 1, (name, which)
    return matches[0]


def decibels(value: float) -> str:
    """A PSNR as tables show it; a decoder that works alone leaves low equal to its guide."""
    return "equal" if value == float("inf") else f"{value:.2f}"


def sets_of(weights: resizekit.Weights) -> set[str]:
    """Sets with metrics, with the factor where there are several: "Set5", "B100 x8"."""
    return {name.rsplit(" ", 2)[0] for name in weights.metrics}


@pytest.mark.parametrize("name", sorted(installed().weights))
def test_numbers_page_has_every_metric(name):
    weights = installed().weight(name)[1]
    for which in sets_of(weights):
        row = " | ".join(numbers_of(name, which.replace(" ", " | ")))
        for metric, value in weights.metrics.items():
            if metric.startswith(f"{which} "):
                assert decibels(value) in row, metric


def test_readme_gains_are_those_of_the_numbers_page():
    ranges = []
    for name in ("sr-x2", "sr-x4"):
        table = [numbers_of(name, which) for which in ("Set5", "Set14", "B100", "Urban100")]
        for baseline in (lambda row: float(row[6].split(" / ")[0]), lambda row: float(row[7])):
            gains = [float(row[2]) - baseline(row) for row in table]
            ranges.append(f"{min(gains):.1f} to {max(gains):.1f} dB")
    intro = " ".join(text_of("README.md").split("## Who")[0].split())
    assert [found.strip(" ") for found in re.findall(r"\d+\.\d to \d+\.\d dB", intro)] == ranges


def test_gains_of_the_repeated_pair_are_those_of_the_numbers_page():
    table = rows(section("docs/any-size.md", "## From x2 to x128 with one pair"))
    factors = table[0][1:]
    for row in table[2:]:
        for factor, cell in zip(factors, row[1:], strict=True):
            high, bicubic = (float(pair.split(" / ")[0]) for pair in numbers_of("extreme", f"{row[0]} | {factor}")[3:5])
            assert float(cell) == pytest.approx(high - bicubic, abs=0.051)


@pytest.mark.parametrize("name", sorted(installed().weights))
def test_model_card_record_and_file_agree(name):
    task, weights = installed().weight(name)
    header = read_header(str(weights.file))
    assert header.digest == weights.digest
    assert header.task == task
    card = Path(str(weights.file)).with_suffix(".md").read_text(encoding="utf-8")
    assert weights.digest in card
    assert "resizekit evaluate" in card
    assert f"{header.training['steps']:,}".replace(",", " ") in card
    kinds = ("RGB", "Y") if assemble(header.recipe).channels == 3 else ("Y",)
    labels = sets_of(weights)
    assert labels
    for which in labels:
        row = next(line for line in card.splitlines() if line.startswith(f"| {which.replace(' ', ' | ')} |"))
        for kind in kinds:
            for side in ("high", "low"):
                assert decibels(weights.metrics[f"{which} {side} {kind}"]) in row, (side, kind)


def test_benchmark_results_name_their_hardware_and_no_computer():
    for path in (ROOT / "benchmarks/results").glob("*.json"):
        results = json.loads(path.read_text(encoding="utf-8"))
        if "suite" in results:
            assert all(results["made_by"][key] for key in ("command", "machine", "torch", "threads"))
            continue
        if "points" in results:  # of a sweep, whose results do not depend on the hardware
            assert results["resizekit"]
            assert results["config"]["train"]["steps"] == results["points"][0]["steps"]
            continue
        assert {"processor", "torch", "threads", "python"} <= set(results["machine_info"])
        assert "node" not in results["machine_info"]


# --- the plugin page ---------------------------------------------------------------------------


def module(name: str, source: str) -> ModuleType:
    made = ModuleType(name)
    exec(compile(source, name, "exec"), made.__dict__)  # noqa: S102 - blocks of the project's own pages
    return made


@pytest.fixture
def registry(monkeypatch):
    """A copy of the real registry, for tests that add to it."""
    real = installed()
    copy = Registry(dict(real.tasks), dict(real.networks), dict(real.compressions), dict(real.weights))
    monkeypatch.setattr("resizekit.recipes.assemble.installed", lambda: copy)
    monkeypatch.setattr("resizekit.recipes.checkpoint.installed", lambda: copy)
    return copy


def test_readme_and_plugin_page_show_the_same_plugin():
    short, full = block("README.md", "python", "hookimpl"), blocks("plugins/README.md", "python")[0]
    for source in (short, full):
        task = module("half", source).half_width
        assert str(task.spec(task.config())) == "r=2"
    assert len([line for line in short.splitlines() if line]) <= 12


def test_first_plugin_works_unchanged(registry):
    page = "plugins/README.md"
    plugin = module("resizekit_half_width", blocks(page, "python")[0])
    registry.add(plugin, "half-width", "resizekit-half-width 0.1.0")
    project, config = (tomllib.loads(text) for text in blocks(page, "toml")[:2])
    assert project["project"]["entry-points"]["resizekit"] == {"half-width": "resizekit_half_width"}
    run = RunConfig.model_validate(config)
    codec = assemble(Recipe(task=run.task, config=run.config, network={"width": 8, "blocks": 1}))
    assert codec.down_tensor(torch.rand(1, 3, 8, 12)).shape == (1, 3, 8, 6)

    name = "resizekit_half_width"
    sys.modules[name] = plugin
    try:
        suite = module("suite", block(page, "python", "TaskConformance")).TestHalfWidth
    finally:
        del sys.modules[name]
    assert suite.task is plugin.half_width

    network = module("network", block(page, "python", "resizekit_register_networks"))
    registry.add(network, "network", "a page")
    made = assemble(
        Recipe(task="half-width", config={"network": "plain", "compression": "four-bit"}, network={"width": 16})
    )
    low = made.compression(torch.rand(1, 3, 8, 6))
    assert made.channels == 3
    assert made(torch.rand(1, 3, 8, 12)).restored.shape == (1, 3, 8, 12)
    assert len(low.unique()) <= 16
    assert torch.equal(resizekit.ops.to_uint8(low) * resizekit.ops.quantize(torch.ones(1) / 255), low)


def test_suite_of_the_plugin_page_is_offered(registry):
    registry.add(module("suite", block("plugins/README.md", "python", "resizekit_register_suites")), "mine", "a page")
    suite = registry.suite("mine")
    assert [column.weights for column in suite.columns] == [None, "mine-x2"]


def test_weights_of_the_plugin_page_fit_the_record():
    page = "plugins/README.md"
    source = block(page, "python", "Weights(").replace('files("my_package")', 'files("resizekit_sr")')
    task = module("weights", source).half_width
    assert task.weights["half-width"].metrics == {"Set5 high RGB": 40.1}
    source = block(page, "python", "weights_from_folder(").replace('files("my_package")', 'files("resizekit_sr")')
    found = module("found", source.replace("half-width", "tad-x2")).weights
    assert dict(found) == {name: installed().task("sr").weights[name] for name in ("tad-x2", "tad-x2-y")}


def test_shipped_configs_are_valid():
    for path in sorted((ROOT / "plugins").glob("resizekit_*/configs/*.toml")):
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        RunConfig.model_validate(raw)
        assemble(Recipe(task=raw["task"], config=raw["config"]))
        TrainConfig.model_validate(raw["train"])


def test_default_guide_weight_is_the_papers():
    assert TaskConfig().guide_weight == 0.1
