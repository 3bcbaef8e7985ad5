"""Every option, key, hook, field and error is documented, with its default."""

import re
import tomllib
from pathlib import Path

import pytest
from typer.main import get_command

import resizekit
from resizekit import errors
from resizekit.cli.app import app
from resizekit.plugin import hookspecs
from resizekit.plugin.records import Task, TaskConfig
from resizekit.plugin.registry import installed
from resizekit.recipes.config import Phase, TrainConfig

ROOT = Path(__file__).parents[1]
GUIDES = ["plugins/README.md", "kernels/README.md"]
COMMANDS = get_command(app).commands


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def rows(text: str) -> list[list[str]]:
    """The cells of all table rows."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]


def options_of(verb: str) -> set[str]:
    return {name for p in COMMANDS[verb].params for name in [*p.opts, *p.secondary_opts] if name.startswith("--")}


@pytest.mark.parametrize("verb", sorted(COMMANDS))
def test_every_option_is_documented(verb, section):
    text = section("docs/command-line.md", f"## resizekit {verb}")
    documented = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))
    assert options_of(verb) <= documented, f"missing in docs/command-line.md: {options_of(verb) - documented}"
    in_tables = {name for row in rows(text) for name in re.findall(r"--[a-z][a-z-]*", row[0])}
    assert in_tables <= options_of(verb), f"not an option of {verb}: {in_tables - options_of(verb)}"


def test_shared_options_exist(section):
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
def test_keys_are_documented_with_their_defaults(heading, model, section):
    table = {row[0].strip("`"): row[1] for row in rows(section("docs/training.md", heading)) if len(row) == 3}
    for name, field in model.model_fields.items():
        assert name in table, f"docs/training.md lacks {name}"
        assert default_of(table[name]) == plain_default(field.default), name
    assert set(table) - set(model.model_fields) <= {"key", "---"}


def test_keys_of_phases_are_documented(section):
    table = {row[0].strip("`") for row in rows(section("docs/training.md", "### Phases"))}
    assert set(Phase.model_fields) == table - {"key", "---"}


@pytest.mark.parametrize("name", sorted(resizekit.tasks()))
def test_keys_of_tasks_are_documented(name, section):
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
def test_options_of_networks_and_compressions_are_documented(kind, section):
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


def test_every_manifest_and_header_field_is_documented(section):
    from resizekit.pictures.manifest import Manifest
    from resizekit.recipes.checkpoint import Header

    for heading, model in (("## Small pictures", Manifest), ("## Weights files", Header)):
        cells = " ".join(row[0] for row in rows(section("docs/file-format.md", heading)))
        for name in model.model_fields:
            assert f"`{name}`" in cells, f"docs/file-format.md lacks {name}"


def test_every_error_class_is_documented(section):
    table = {row[0].strip("`") for row in rows(section("docs/library.md", "## Errors"))}
    classes = {name for name, value in vars(errors).items() if isinstance(value, type)} - {"ResizeKitError"}
    assert classes == table - {"class", "---"}


def test_every_extra_is_documented(section):
    extras = tomllib.loads(text_of("pyproject.toml"))["project"]["optional-dependencies"]
    cells = {row[0].strip("`") for row in rows(section("docs/getting-started.md", "## Install"))}
    assert set(extras) - {"dev"} == cells - {"extra", "---"}


def test_default_guide_weight_is_the_papers():
    assert TaskConfig().guide_weight == 0.1
