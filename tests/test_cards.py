"""Model cards and docs/numbers.md follow from the JSON next to the weights, and the JSON describes the files."""

import importlib
from math import inf
from pathlib import Path

import pytest
from typer.testing import CliRunner

from resizekit.errors import ConfigError
from resizekit.plugin.registry import installed
from resizekit.recipes.assemble import complete, recipe_of
from resizekit.recipes.checkpoint import read_header
from resizekit.recipes.config import read_toml

ROOT = Path(__file__).parents[1]
MODULES = "plan", "records", "numbers_table", "cards", "shipping", "training_run", "train_all"
PLUGINS = sorted([*ROOT.glob("plugins/resizekit_*"), *ROOT.glob("weights/*/resizekit_*")])
WEIGHTS = {path.stem: path.parent for plugin in PLUGINS for path in sorted(plugin.glob("weights/*.json"))}


@pytest.fixture
def ours(scripts):
    """Load the modules that write the cards."""
    return scripts(ROOT / "benchmarks", *MODULES)


def test_cards_and_page_are_what_the_records_say(ours):
    texts = ours.cards.texts(ROOT)
    assert set(texts) == {ROOT / "docs" / "numbers.md"} | {folder / f"{name}.md" for name, folder in WEIGHTS.items()}
    for path, text in texts.items():
        assert path.read_text(encoding="utf-8") == text, f"{path}: run python benchmarks/cards.py"


def test_weights_folders_hold_only_registered_weights():
    kinds = "safetensors", "json", "md"
    for folder in set(WEIGHTS.values()):
        offered = {f"{name}.{kind}" for name, its in WEIGHTS.items() if its == folder for kind in kinds}
        assert {path.name for path in folder.iterdir()} - {"DATA.md"} == offered
    assert set(WEIGHTS) == set(installed().weights)


def test_names_of_each_plugin_follow_the_order_of_the_plan(ours):
    all_names = [importlib.import_module(f"{p.name}.packaged").NAMES for p in PLUGINS if (p / "packaged.py").exists()]
    for names in all_names:
        assert names == tuple(name for name in ours.plan.PLAN if name in names)
    assert sorted(name for names in all_names for name in names) == sorted(ours.plan.PLAN)


@pytest.mark.parametrize("name", WEIGHTS)
def test_records_cover_the_planned_sets_and_depths(ours, name):
    plan = ours.plan.PLAN[name]
    measured = {(which, figures.times) for which, _, figures in ours.records.read_record(ROOT, name).rows()}
    assert measured == {(which, times) for which in plan.sets or ours.plan.SETS for times in plan.times or (None,)}


@pytest.mark.parametrize("name", WEIGHTS)
def test_record_describes_its_weights_file(ours, name):
    record = ours.records.read_record(ROOT, name)
    described = ours.shipping.describe(
        ROOT,
        WEIGHTS[name] / f"{name}.safetensors",
        name,
        summary=ours.plan.PLAN[name].summary,
        config=record.config,
        sets=record.sets,
        hardware=record.training.hardware,
    )
    from_config = {"command", "parts"}  # the config may be newer than the file
    excluded = {"training": from_config, "refined": True}
    assert described.model_dump(exclude=excluded) == record.model_dump(exclude=excluded)


@pytest.mark.parametrize("name", WEIGHTS)
def test_config_of_a_record_rebuilds_its_recipe(ours, name):
    record = ours.records.read_record(ROOT, name)
    run = read_toml(ours.records.config_file(ROOT, record.config))
    header = read_header(WEIGHTS[name] / f"{name}.safetensors")
    assert complete(recipe_of(run)) == complete(header.recipe)
    assert {key: getattr(run.train, key) for key in ("lr", "seed")} == {k: header.training[k] for k in ("lr", "seed")}
    steps = f"--steps {header.training['steps']}"
    assert run.train.steps == header.training["steps"] or record.training.command.endswith(steps)


@pytest.fixture
def copied(ours, tmp_path):
    """A copy of the records and of docs/numbers.md: its root, and a record to be changed."""
    folder = tmp_path / "plugins/resizekit_sr/weights"
    folder.mkdir(parents=True)
    (tmp_path / "docs").mkdir()
    text = (ROOT / "docs" / "numbers.md").read_text(encoding="utf-8")
    (tmp_path / "docs" / "numbers.md").write_text(text, encoding="utf-8")
    record = ours.records.read_record(ROOT, "tad-x2")
    record.write(folder)
    ours.cards.write(tmp_path)
    return tmp_path, folder, record


def test_every_figure_of_a_record_reaches_card_and_page(ours, copied):
    root, folder, record = copied
    figures = record.sets["B100"].model_copy(update={"high_rgb": 12.345678, "low_y": 98.7654})
    other = record.model_copy(update={"sets": record.sets | {"B100": figures}, "kmac_per_pixel": 4567.8})
    other.write(folder)
    assert set(ours.cards.stale(root)) == {root / "docs" / "numbers.md", folder / "tad-x2.md"}
    assert ours.cards.write(root)
    assert ours.cards.stale(root) == []
    card, page = ((folder / "tad-x2.md").read_text(), (root / "docs" / "numbers.md").read_text())
    for text in (card, page):
        assert "| 12.35 |" in text
        assert "| 98.77 |" in text
        assert "4568" in text
    assert "`tad-x2` on B100 by 24.33 dB" in page, "what stays behind the paper is said"


def test_card_shows_phases_identical_weights_and_other_storage(ours, copied):
    root, folder, record = copied
    parts = [ours.records.Part(share=3, batch=16, patch=64), ours.records.Part(share=1, batch=4, patch=128)]
    training = record.training.model_copy(update={"parts": parts, "hardware": None, "precision": "float32"})
    changes = {"name": "sr-x2-jpeg75", "training": training, "compression": "jpeg75", "network": "new"}
    record.model_copy(update=changes).write(folder)
    ours.cards.write(root)
    card, page = (folder / "sr-x2-jpeg75.md").read_text(), (root / "docs" / "numbers.md").read_text()
    assert "75%: batch 16, crops of 64x64; 25%: batch 4, crops of 128x128, seed 0" in card
    assert "These weights are identical to [tad-x2](tad-x2.md)." in card
    assert "the network `new`, 819 270 parameters" in card
    assert "| hardware | float32; 130 minutes |" in card
    assert "`sr-x2-jpeg75` with its compression `jpeg75`" in page
    (row,) = (line for line in page.splitlines() if line.startswith("| `sr-x2-jpeg75` | Set5 |"))
    assert row.endswith("| – | – | – |"), "the paper has no JPEG"


def test_card_shows_the_initial_weights_of_a_training(ours, copied):
    root, folder, record = copied
    earlier = {"start": "sr-x2 (0123456789ab)", "steps_before": 24_000, "seconds_before": 6000.0}
    record.model_copy(update={"training": record.training.model_copy(update=earlier)}).write(folder)
    ours.cards.write(root)
    text = "; initialized with the weights sr-x2 (0123456789ab), trained for 24 000 steps in 100 minutes |"
    assert text in (folder / "tad-x2.md").read_text()


def test_cards_of_a_separate_distribution_link_to_the_data(ours, copied):
    root, folder, record = copied
    (folder / "DATA.md").write_text("pictures")
    separate = root / "weights/more/resizekit_more/weights"
    separate.mkdir(parents=True)
    record.model_copy(update={"name": "more-x2"}).write(separate)
    ours.cards.write(root)
    card, page = (separate / "more-x2.md").read_text(), (root / "docs" / "numbers.md").read_text()
    link = "../../../../plugins/resizekit_sr/weights/DATA.md"
    assert f"[DATA.md]({link})" in card
    assert (separate / link).resolve() == (folder / "DATA.md").resolve()
    assert "(../weights/more/resizekit_more/weights/more-x2.md)" in page


def test_weights_with_several_depths_have_a_separate_table(ours, copied):
    root, folder, record = copied
    (folder / "DATA.md").write_text("pictures")
    other = root / "plugins/resizekit_deep/weights"
    other.mkdir(parents=True)
    plain = record.sets["B100"]
    sets = {
        f"B100 x{2**n}": plain.model_copy(update={"high_rgb": 30 + n / 100, "times": n, "factor": f"x{2**n}"})
        for n in (1, 3)
    }
    record.model_copy(update={"name": "deep", "sets": sets, "digest": "f" * 64}).write(other)
    assert [item.name for item in ours.records.read_records(root)] == ["tad-x2", "deep"]
    ours.cards.write(root)
    card, page = (other / "deep.md").read_text(), (root / "docs" / "numbers.md").read_text()
    bicubic = f"{plain.bicubic_rgb:.2f}"
    assert "[DATA.md](../../resizekit_sr/weights/DATA.md)" in card
    assert "[DATA.md](DATA.md)" in (folder / "tad-x2.md").read_text()
    assert "| set | factor | high RGB | high Y | bicubic RGB | bicubic Y | low RGB | low Y |" in card
    assert f"| B100 | x8 | 30.03 | {plain.high_y:.2f} | {bicubic} |" in card
    assert f"| `deep` | B100 | x8 | 30.03 / {plain.high_y:.2f} | {bicubic} /" in page
    assert "(../plugins/resizekit_deep/weights/deep.md)" in page
    assert "| `deep` | B100 | 30" not in page, "no row among those of a single depth"
    assert "`deep` on" not in page, "no comparison with the paper's pairs of one depth"
    assert ours.shipping.measuring_command("deep", sets).startswith(
        "resizekit evaluate B100 --weights deep --times 1,3 "
    )


def test_mean_over_some_pictures_is_marked_and_over_none_is_equal(ours, copied):
    root, folder, record = copied
    plain = record.sets["B100"]
    some = plain.model_copy(update={"bicubic_rgb": 22.75, "equal": {"bicubic_rgb": 7}})
    none = plain.model_copy(update={"low_rgb": inf, "low_y": inf, "equal": {"low_rgb": 100, "low_y": 100}})
    changes = {"spec": "t=3", "border": 1, "alone": True, "compression": "round", "sets": {"B100": some, "Set5": none}}
    record.model_copy(update=changes).write(folder)
    assert ours.records.read_record(root, "tad-x2") == record.model_copy(update=changes)
    ours.cards.write(root)
    card, page = (folder / "tad-x2.md").read_text(), (root / "docs" / "numbers.md").read_text()
    assert "its decoder alone, on the guide itself, 819 270 parameters" in card
    assert "| 22.75\\* |" in card
    assert "\\* The mean leaves out pictures without colours, which equal their guide: B100 7 of 100." in card
    assert "| equal | equal |" in card
    assert f"| 22.75\\* / {plain.bicubic_y:.2f} | – | 24.21 | – |" in page
    assert "| equal | equal |" in page
    assert "Not stored as a PNG" not in page, "rounding as training goes on is a PNG too"
    assert "inf" not in card.split("## Results")[1]


def test_weights_belong_to_the_task_of_their_record(ours):
    tasks = {name: task for task in installed().tasks for name in installed().weights_of(task)}
    assert {name: ours.records.read_record(ROOT, name).task for name in WEIGHTS} == tasks


def test_same_name_in_two_plugins_is_refused(ours, copied):
    root, _, record = copied
    other = root / "plugins/resizekit_two/weights"
    other.mkdir(parents=True)
    record.write(other)
    with pytest.raises(ConfigError, match=r"resizekit_sr.*resizekit_two.*tad-x2\.json have the same name"):
        ours.cards.texts(root)


def test_command_checks_and_writes(ours, copied, monkeypatch):
    root, folder, _ = copied
    monkeypatch.setattr(ours.cards, "ROOT", root)
    (folder / "tad-x2.md").write_text("old")
    run = CliRunner().invoke
    told = run(ours.cards.app, ["--check"])
    assert (told.exit_code, told.output) == (1, "would change plugins/resizekit_sr/weights/tad-x2.md\n")
    told = run(ours.cards.app)
    assert (told.exit_code, told.output) == (0, "wrote plugins/resizekit_sr/weights/tad-x2.md\n")
    assert run(ours.cards.app, ["--check"]).exit_code == 0
    (root / "docs" / "numbers.md").write_text("no marks")
    told = run(ours.cards.app)
    assert (told.exit_code, "has no place for the numbers" in told.output) == (2, True)
    (folder / "tad-x2.json").write_text('{"name": 3}')
    told = run(ours.cards.app)
    assert (told.exit_code, "tad-x2.json: name: Input should be a valid string" in told.output) == (2, True)
