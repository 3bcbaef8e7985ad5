"""TOML configs: errors name the key, its value and what was expected; the shipped configs are valid."""

import json
import re
from pathlib import Path

import pytest

import resizekit
from resizekit import NoOptions, TaskConfig
from resizekit.errors import ConfigError, ResizeKitError, UnknownNameError
from resizekit.nn import TadOptions
from resizekit.recipes.assemble import assemble, json_schema, recipe_of, resolve
from resizekit.recipes.config import RunConfig, TrainConfig, read_toml, validate

PLUGINS = Path(__file__).parents[2] / "plugins"
SHIPPED = sorted(PLUGINS.glob("*/configs/*.toml"))


def written(folder: Path, text: str) -> Path:
    (folder / "mine.toml").write_text(text)
    return folder / "mine.toml"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "mine.toml: key 'task' is missing"),
        ("task = ", "mine.toml is not TOML: Invalid value"),
        ("task = 'sr'\nstep = 3", "unknown key 'step'; known keys: compression, config, encoder, network, task, train"),
        ("task = 'sr'\n[train]\nstep = 3", "unknown key 'train.step'; known keys: batch, .*steps"),
        ("task = 'sr'\n[train]\nsteps = 0", "train.steps = 0: should be greater than or equal to 1"),
        ("task = 'sr'\n[train]\nsteps = 'many'", "train.steps = 'many': should be a valid integer"),
        ("task = 'sr'\n[train]\nschedule = 'linear'", "schedule = 'linear': .*'cosine', 'trapezoid' or 'constant'"),
        ("task = 'sr'\n[train]\nlr = 0\nbatch = 0", r"train.batch = 0: .*\(and 1 more\)"),
        ("task = 'sr'\ntrain = 3", "train = 3: should be a valid dictionary"),
        ("task = 'sharpen'", "no task 'sharpen' is installed; installed: .*sr"),
        ("task = 'sr'\n[config]\nnetwork = 'vast'", "no network 'vast' is installed; installed: .*tad"),
        ("task = 'sr'\n[config]\ncompression = 'zip'", "no compression 'zip'.*none, round, uint16, uint8"),
        ("task = 'sr'\n[config]\nspec = { s = 1.5 }", "spec.s = 1.5: a factor is exact: write 2 or '3/2', not 1.5"),
        ("task = 'sr'\n[config]\nspec = { s = true }", "spec.s = True: a factor is exact"),
        ("task = 'sr'\n[config]\nspec = { q = 2 }", "unknown key 'spec.q'; known keys: r, s, t"),
        ("task = 'sr'\n[config]\nchanels = 1", "unknown key 'chanels'; known keys: channels, "),
        (
            "task = 'sr'\n[config]\nguide_loss = 'l3'",
            "guide_loss = 'l3': should be 'l1', 'l2', 'charbonnier', 'rms' or 'psnr'",
        ),
        ("task = 'sr'\n[network]\nwidth = 4096", r"\[network\] of tad: width = 4096: .*less than or equal to 1024"),
        (
            "task = 'sr'\n[network]\ndepth = 3",
            r"\[network\] of tad: unknown key 'depth'; known keys: blocks, init_as_average, width",
        ),
        ("task = 'sr'\n[compression]\nbits = 4", r"\[compression\] of uint8: unknown key 'bits'; known keys: none"),
    ],
)
def test_invalid_config_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ResizeKitError) as caught:
        resizekit.from_toml(written(tmp_path, text))
    assert isinstance(caught.value, ConfigError | UnknownNameError)
    assert caught.value.exit_code == 2
    assert len(str(caught.value).splitlines()) == 1
    assert re.search(message, str(caught.value))


def test_missing_and_binary_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the config .*nowhere.toml: No such file"):
        read_toml(tmp_path / "nowhere.toml")
    (tmp_path / "image.toml").write_bytes(b"\x89PNG\xff")
    with pytest.raises(ConfigError, match=r"image.toml is not TOML: 'utf-8' codec"):
        read_toml(tmp_path / "image.toml")


def test_error_truncates_a_long_value() -> None:
    with pytest.raises(ConfigError) as caught:
        validate(TrainConfig, {"steps": "9" * 10_000 + "x"}, where="here")
    assert len(str(caught.value)) < 200


def test_data_paths_are_relative_to_the_config(tmp_path: Path) -> None:
    run = read_toml(written(tmp_path, "task = 'sr'\n[train]\ndata = ['pictures', '/elsewhere']"))
    assert run.train.data == (tmp_path / "pictures", Path("/elsewhere"))
    assert run.train.validation == ()


def test_from_toml_equals_build(tmp_path: Path) -> None:
    text = "task = 'sr'\n[config]\nspec = { s = '3/2', r = 2 }\n[network]\nwidth = 4\nblocks = 0"
    codec = resizekit.from_toml(written(tmp_path, text))
    built = resizekit.build("sr", spec={"s": "3/2", "r": 2}, network={"width": 4, "blocks": 0})
    assert codec.spec == built.spec == resizekit.ResizeSpec(s="3/2", r=2)
    assert codec.recipe == built.recipe
    assert resizekit.build("sr", network="tad", compression={"name": "none"}).info[:3] == ("sr", "tad", "none")


# --- schema ------------------------------------------------------------------------------------


def test_schema_covers_the_entire_file() -> None:
    schema = json.loads(json.dumps(json_schema("sr")))
    tables = schema["properties"]
    assert set(tables) == set(RunConfig.model_fields)
    assert tables["task"]["const"] == "sr"
    models = {"network": TadOptions, "compression": NoOptions, "train": TrainConfig}
    for name, model in models.items():
        assert set(tables[name].get("properties", {})) == set(model.model_fields), name
        assert tables[name]["additionalProperties"] is False
    assert set(tables["config"]["properties"]) > set(TaskConfig.model_fields)
    references = re.findall(r'"\$ref": "#/\$defs/(\w+)"', json.dumps(schema))
    assert references
    assert set(references) <= set(schema["$defs"]), "undefined reference"


def test_schema_defaults_and_bounds_match_the_model() -> None:
    """The models accept the defaults in the schema and refuse values outside its bounds."""
    tables = json_schema("sr")["properties"]
    example = {name: field["default"] for name, field in tables["train"]["properties"].items()}
    assert validate(TrainConfig, example, where="train") == TrainConfig()
    below = {"minimum": lambda least: least - 1, "exclusiveMinimum": lambda least: least}
    tried = 0
    for name, field in tables["train"]["properties"].items():
        for bound in set(field) & set(below):
            tried += 1
            with pytest.raises(ConfigError, match=f"{name} = "):
                validate(TrainConfig, {name: below[bound](field[bound])}, where="train")
    assert tried >= 8


def test_schema_of_a_factor_matches_the_model() -> None:
    factor = json_schema("sr")["$defs"]["ResizeSpec"]["properties"]["s"]
    integer, text = factor["anyOf"]
    assert (integer["minimum"], integer["maximum"]) == (1, 999_999)
    for value, valid in {
        "3/2": True,
        "2": True,
        "1.5": False,
        "0": False,
        "3/0": False,
        "-2": False,
        "": False,
    }.items():
        assert bool(re.search(text["pattern"], value)) is valid
        if valid:
            resizekit.ResizeSpec(s=value)
        else:
            with pytest.raises(ValueError, match="factor"):
                resizekit.ResizeSpec(s=value)


# --- shipped configs --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_config_builds(path: Path) -> None:
    run = read_toml(path)
    recipe = recipe_of(run)
    codec = assemble(recipe)
    task, config = resolve(recipe)
    assert codec.spec == task.spec(config) ** task.times(config)
    assert run.train.steps > (500 if run.train.start else 1000)  # continuing takes fewer steps
    assert run.train.data
    codec.spec.low_shape((codec.channels, run.train.patch, run.train.patch))


def test_shipped_configs_are_found() -> None:
    assert {"sr-x2.toml"} <= {path.name for path in SHIPPED}


@pytest.mark.parametrize(("text", "seconds"), [("90 s", 90), ("20 min", 1200), ("1.5h", 5400), (" 2 min ", 120)])
def test_budget_is_a_duration(text, seconds):
    assert TrainConfig(budget=text).budget.total_seconds() == seconds


@pytest.mark.parametrize("text", ["20", "0 min", "-3 s", "soon", "20 minutes 5", "1e3 s", ""])
def test_invalid_budget_is_refused(text):
    with pytest.raises(ConfigError, match='expected a duration such as "90 s"'):
        validate(TrainConfig, {"budget": text}, where="here")


def test_budget_survives_a_json_round_trip():
    config = TrainConfig(budget="20 min")
    assert TrainConfig.model_validate(config.model_dump(mode="json")) == config
    assert TrainConfig.model_validate(config.model_dump()) == config
