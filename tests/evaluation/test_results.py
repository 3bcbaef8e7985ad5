"""The file of results: round trip, means without missing values, and errors for other files."""

import json

import pytest

from resizekit.errors import ResizeKitError
from resizekit.suites.results import ColumnResult, PictureResult, Provenance, PublishedMetric, Results, read_results


@pytest.fixture
def results():
    column = {"label": "a", "group": "a", "factor": 2, "status": "measured"}
    return Results(
        suite="tiny",
        made_by=Provenance(command="resizekit evaluate", machine="a CPU", torch="2.13.0", threads=1),
        columns=(ColumnResult(key="a-x2", compare_with="b-x2", **column), ColumnResult(key="b-x2", **column)),
        pictures=(
            PictureResult(column="a-x2", set="Some", picture="1.png", high_rgb=30.0, high_y=32.0, low_bytes=100),
            PictureResult(column="a-x2", set="Some", picture="2.png", high_rgb=31.0, low_bytes=201),
            PictureResult(column="a-x2", set="Other", picture="1.png", high_rgb=99.0),
        ),
        published=(PublishedMetric(column="b-x2", set="Some", rgb=29.5),),
    )


def test_results_survive_writing_and_reading(results, tmp_path):
    path = tmp_path / "results.json"
    results.write(path)
    assert read_results(path) == results
    assert set(json.loads(path.read_text())) == {
        "format", "suite", "version", "made_by", "earlier_runs", "border", "sets", "columns", "pictures", "published",
        "timings",
    }  # fmt: skip


def test_means_leave_out_pictures_without_the_metric(results):
    assert results.means("a-x2", "Some") == {
        "high_rgb": 30.5, "high_y": 32.0, "ssim_rgb": None, "ssim_y": None, "low_rgb": None, "low_y": None,
    }  # fmt: skip
    assert results.low_bytes("a-x2", "Some") == 150.5
    assert results.mean("b-x2", "Some", "high_rgb") is None
    assert results.low_bytes("b-x2", "Some") is None


def test_column_uses_the_published_values_of_another_column(results):
    assert results.published_for("a-x2", "Some").rgb == 29.5
    assert results.published_for("b-x2", "Some").rgb == 29.5
    assert results.published_for("a-x2", "Other") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no JSON", "is not a file of suite results"),
        ("{}", "format: Field required"),
        ('{"format": 1}', "suite: Field required"),
        ('{"format": 7, "suite": "paper"}', "format 7, but this version reads formats up to 1: upgrade"),
        ("[1]", "is not a file of suite results"),
    ],
)
def test_read_results_rejects_other_files_in_one_line(text, message, tmp_path):
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(ResizeKitError, match=message) as caught:
        read_results(path)
    assert "\n" not in str(caught.value)


def test_read_results_rejects_nan_and_missing_files(results, tmp_path):
    path = tmp_path / "results.json"
    results.write(path)
    path.write_text(path.read_text().replace("99.0", "NaN"))
    with pytest.raises(ResizeKitError, match="pictures"):
        read_results(path)
    with pytest.raises(ResizeKitError, match="cannot read"):
        read_results(tmp_path / "absent.json")


def test_labels_have_no_control_characters(results):
    column = results.columns[0].model_copy(update={"label": "\x1b[31mred"})
    again = Results.model_validate_json(results.model_copy(update={"columns": (column,)}).model_dump_json())
    assert again.columns[0].label == "?[31mred"


def test_command_may_be_longer_than_a_label(results, tmp_path):
    long = "resizekit evaluate --columns " + ",".join(f"column-{i}" for i in range(100))
    changed = results.model_copy(update={"made_by": Provenance(command=long, machine=long, torch="2.13.0", threads=1)})
    changed.write(tmp_path / "results.json")
    read = read_results(tmp_path / "results.json").made_by
    assert read.command == long
    assert read.machine == long[:300]
