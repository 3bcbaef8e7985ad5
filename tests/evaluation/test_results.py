"""The file of results: what is written comes back, means leave out what does not exist, and other files are refused."""

import json

import pytest

from resizekit.errors import ResizeKitError
from resizekit.suites.results import ColumnResult, PictureResult, Provenance, PublishedMetric, Results, read_results


@pytest.fixture
def told():
    column = {"label": "a", "group": "ours", "factor": 2, "status": "measured"}
    return Results(
        suite="tiny",
        made_by=Provenance(command="resizekit evaluate", machine="a CPU", torch="2.13.0", threads=1),
        columns=(ColumnResult(key="a-x2", beside="b-x2", **column), ColumnResult(key="b-x2", **column)),
        pictures=(
            PictureResult(column="a-x2", set="Some", picture="1.png", high_rgb=30.0, high_y=32.0, low_bytes=100),
            PictureResult(column="a-x2", set="Some", picture="2.png", high_rgb=31.0, low_bytes=201),
            PictureResult(column="a-x2", set="Other", picture="1.png", high_rgb=99.0),
        ),
        printed=(PublishedMetric(column="b-x2", set="Some", rgb=29.5),),
    )


def test_what_is_written_comes_back(told, tmp_path):
    path = tmp_path / "results.json"
    told.write(path)
    assert read_results(path) == told
    assert set(json.loads(path.read_text())) == {
        "format", "suite", "version", "made_by", "earlier", "border", "sets", "columns", "pictures", "printed",
        "timings",
    }  # fmt: skip


def test_means_are_over_the_pictures_that_have_the_figure(told):
    assert told.means("a-x2", "Some") == {
        "high_rgb": 30.5, "high_y": 32.0, "ssim_rgb": None, "ssim_y": None, "low_rgb": None, "low_y": None,
    }  # fmt: skip
    assert told.low_bytes("a-x2", "Some") == 150.5
    assert told.mean("b-x2", "Some", "high_rgb") is None
    assert told.low_bytes("b-x2", "Some") is None


def test_a_column_stands_beside_what_is_printed_of_another(told):
    assert told.printed_beside("a-x2", "Some").rgb == 29.5
    assert told.printed_beside("b-x2", "Some").rgb == 29.5
    assert told.printed_beside("a-x2", "Other") is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("no JSON", "holds no results of a suite"),
        ("{}", "format: Field required"),
        ('{"format": 1}', "suite: Field required"),
        ('{"format": 7, "suite": "paper"}', "format 7; this one reads up to 1: upgrade"),
        ("[1]", "holds no results of a suite"),
    ],
)
def test_other_files_are_refused_in_one_line(text, says, tmp_path):
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(ResizeKitError, match=says) as caught:
        read_results(path)
    assert "\n" not in str(caught.value)


def test_figures_that_json_does_not_have_are_refused(told, tmp_path):
    path = tmp_path / "results.json"
    told.write(path)
    path.write_text(path.read_text().replace("99.0", "NaN"))
    with pytest.raises(ResizeKitError, match="pictures"):
        read_results(path)
    with pytest.raises(ResizeKitError, match="cannot read"):
        read_results(tmp_path / "absent.json")


def test_nothing_in_a_file_is_obeyed_by_a_terminal(told):
    column = told.columns[0].model_copy(update={"label": "\x1b[31mred"})
    again = Results.model_validate_json(told.model_copy(update={"columns": (column,)}).model_dump_json())
    assert again.columns[0].label == "?[31mred"


def test_a_command_may_be_longer_than_what_is_shown_beside_a_figure(told, tmp_path):
    long = "resizekit evaluate --columns " + ",".join(f"column-{i}" for i in range(100))
    changed = told.model_copy(update={"made_by": Provenance(command=long, machine=long, torch="2.13.0", threads=1)})
    changed.write(tmp_path / "results.json")
    read = read_results(tmp_path / "results.json").made_by
    assert read.command == long
    assert read.machine == long[:300]
