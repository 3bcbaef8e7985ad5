"""`resizekit report`: one file that loads nothing else and escapes all text from files."""

import hashlib
import json
import re
import sys
from base64 import b64decode, b64encode
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from resizekit import load
from resizekit.evaluation.measure import roundtrip

DATA, USAGE = 1, 2


class Page(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.texts, self.raw = [], [], {}
        self._in = None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._in = tag

    def handle_endtag(self, tag):
        self._in = None

    def handle_data(self, text):
        if self._in in ("script", "style"):
            self.raw[self._in] = text
        else:
            self.texts.append(text)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture
def report_page(cli, file, tmp_path, data, sweep, compared):
    """A page with all parts that come from results, a sweep and pictures."""
    shown = "--data", data, "--sweep", sweep, "--compare", compared, "--pictures", "2"
    run = cli("report", file, tmp_path / "out.html", *shown)
    assert run.code == 0, run
    assert re.search(r"out\.html: \d+\.\d MB\n", run.out)
    return Page((tmp_path / "out.html").read_text(encoding="utf-8"))


def test_page_loads_and_allows_nothing_else(report_page):
    policy = next(
        meta["content"] for meta in report_page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"
    )
    for kind in ("script", "style"):
        digest = b64encode(hashlib.sha256(report_page.raw[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}';" in policy
    assert "default-src 'none'; img-src data:;" in policy
    for tag, attrs in report_page.tags:
        assert not [name for name in attrs if name == "style" or name.startswith("on")], (tag, attrs)
        for name in ("src", "href"):
            if name in attrs:
                assert attrs[name].startswith(("data:", "#")), (tag, attrs[name][:80])
    assert "url(" not in report_page.raw["style"]
    assert "@import" not in report_page.raw["style"]


def test_text_from_files_is_escaped(report_page, hostile):
    assert hostile in report_page.text
    assert "<b>photographs</b>" in report_page.text
    assert "<i>held</i>" in report_page.text
    assert not [image for image in report_page.all("img") if not image.get("src", "data:").startswith("data:")]
    assert len(report_page.all("script")) == 1


def test_page_shows_means_differences_and_budgets(report_page, results):
    assert "not trained" in report_page.text
    assert "Missing missing" in report_page.text
    assert f"{results.mean('own-x2', 'Set', 'high_rgb'):.2f}" in report_page.text
    assert "▼ worse by −1.50" in report_page.text
    assert "12 345 steps, 10 min" in report_page.text
    assert "equal, bit for bit, to MATLAB's imresize on 8-bit pictures" in report_page.text
    assert "✗ differs" in report_page.text
    assert len([item for item in report_page.all("circle") if item.get("class") == "dot"]) == 5
    assert len(report_page.all("polyline")) == 2 + 2


def decoded(image):
    return np.array(Image.open(BytesIO(b64decode(image["src"].partition(",")[2]))))


def test_pictures_in_the_page_are_lossless(report_page, results, data, weights_name, hostile):
    views = [image for image in report_page.all("img") if image.get("data-view")]
    assert [image["data-view"] for image in views] == ["original", "bicubic", "restored", "small"] * 4
    codec = load(weights_name)
    for i in range(0, len(views), 4):
        name = views[i]["alt"].removeprefix("Original: ")
        low, restored = roundtrip(codec, np.array(Image.open(data / "Set" / name)))
        assert np.array_equal(decoded(views[i]), np.array(Image.open(data / "Set" / name)))
        assert np.array_equal(decoded(views[i + 2]), restored)
        assert np.array_equal(decoded(views[i + 3]), low)


def test_comparison_at_equal_bytes_is_drawn_and_listed(report_page, hostile):
    assert "Means of 1 picture." in report_page.text
    assert "bicubic x2, AVIF 27.00 +55 %" in report_page.text
    assert f"{hostile} (30.25 at 0.85)" in report_page.text
    dots = [attrs for attrs in report_page.all("circle") if attrs["r"] == "2.5"]
    assert len(dots) == 5
    assert max(float(dot["cx"]) for dot in dots) == float(dots[-1]["cx"])  # 0.85 bits per pixel is the most
    assert float(dots[1]["cy"]) < float(dots[4]["cy"]) < float(dots[3]["cy"])  # 32 is above 30.25 and 28 dB


def test_sweep_pictures_outside_the_folder_are_not_shown(report_page):
    assert [image["alt"] for image in report_page.all("img") if "guide weight" in image["alt"]] == [
        "Small picture with guide weight 0"
    ]


def test_tradeoff_is_described_only_if_the_sweep_shows_it(report_page, cli, file, sweep, tmp_path):
    assert "With a larger weight" in report_page.text
    content = json.loads(sweep.read_text())
    sweep.write_text(json.dumps(content | {"points": content["points"][:1]}))
    assert cli("report", file, tmp_path / "one.html", "--sweep", sweep).code == 0
    assert "With a larger weight" not in Page((tmp_path / "one.html").read_text()).text


def test_page_lists_every_run_with_its_columns(report_page, cli, file, tmp_path):
    assert "in one run" in report_page.text
    content = json.loads(file.read_text())
    run = content["made_by"]
    content |= {
        "made_by": run | {"columns": ["own-x2"]},
        "earlier_runs": [run | {"command": "long ago", "columns": ["old"]}],
    }
    file.write_text(json.dumps(content))
    assert cli("report", file, tmp_path / "two.html").code == 0
    page = Page((tmp_path / "two.html").read_text())
    for text in ("in 2 runs", "made up", "own-x2", "long ago", "old"):
        assert text in page.text


def test_page_without_pictures_explains_how_to_add_them(cli, file, tmp_path):
    assert cli("report", file, tmp_path / "out.html").code == 0
    page = Page((tmp_path / "out.html").read_text())
    assert not page.all("img")
    assert "make this page with --data FOLDER" in page.text


def test_empty_results_make_a_page(cli, file, tmp_path):
    content = json.loads(file.read_text())
    file.write_text(
        json.dumps(content | {name: [] for name in ("sets", "columns", "pictures", "published", "timings")})
    )
    assert cli("report", file, tmp_path / "out.html").code == 0
    assert "has no columns yet" in Page((tmp_path / "out.html").read_text()).text


def test_details_of_large_pictures_are_aligned_to_the_factor(cli, file, tmp_path, data, monkeypatch):
    monkeypatch.setattr("resizekit.report.cases.SIDE", 31)
    assert cli("report", file, tmp_path / "out.html", "--data", data, "--pictures", "1").code == 0
    views = [image for image in Page((tmp_path / "out.html").read_text()).all("img") if image.get("data-view")]
    high, low = decoded(views[0]), decoded(views[3])
    assert (high.shape, low.shape) == ((30, 30, 3), (15, 15, 3))
    entire = np.array(Image.open(data / "Set" / views[0]["alt"].removeprefix("Original: ")))
    windows = np.lib.stride_tricks.sliding_window_view(entire, (30, 30, 3))[::2, ::2, 0]
    assert (windows == high).all(axis=(2, 3, 4)).any(), "starts at a multiple of the factor"


def test_existing_output_needs_overwrite(cli, file, tmp_path):
    out = tmp_path / "out.html"
    out.write_text("mine")
    run = cli("report", file, out)
    assert (run.code, out.read_text()) == (USAGE, "mine")
    assert "exists: name another output, or replace it with --overwrite" in run.err
    assert cli("report", file, out, "--overwrite").code == 0
    assert out.read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot read"),
        ("", "is not a file of suite results"),
        ("no JSON", "is not a file of suite results"),
        ("[]", "is not a file of suite results"),
        ('{"format": 99}', "format 99"),
    ],
    ids=["missing", "empty", "no JSON", "a list", "newer"],
)
def test_report_rejects_files_that_are_not_results(cli, tmp_path, text, message):
    if text is not None:
        (tmp_path / "r.json").write_text(text)
    assert_refused(cli("report", tmp_path / "r.json", tmp_path / "out.html"), DATA, message, tmp_path)


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (["--column", "x"], USAGE, "--column 'x': unknown column; measured columns: other-x2, own-x2"),
        (["--column", "big-x2"], USAGE, "BIG+ has no measured networks"),
        (["--data", "absent"], USAGE, "--data absent is not a folder"),
        (["--data", "."], USAGE, "--data . has no folder 'Set'"),
        (["--data", ".", "--pictures", "-1"], USAGE, "pictures"),
        (["--sweep", "absent.json"], DATA, "cannot read absent.json"),
        (["--compare", "absent.json"], DATA, "cannot read absent.json"),
        (["--compare", "results.json"], DATA, "results.json is not a file of a comparison (anchor: Field required)"),
        (["--sweep", "results.json"], DATA, "results.json is not a file of sweep results (sets.0: "),
        (["--pyramid", "."], DATA, "name a folder that `resizekit roundtrip` or `pyramid` wrote"),
        (["--roundtrip", "absent"], DATA, "cannot read absent/metrics.json"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_prints_one_line_and_writes_nothing(cli, file, tmp_path, monkeypatch, argv, code, message):
    monkeypatch.chdir(tmp_path)
    assert_refused(cli("report", file, "out.html", *argv), code, message, tmp_path)


def assert_refused(run, code, message, folder):
    assert (run.code, run.out) == (code, ""), run
    assert message in " ".join(run.err.split())
    assert not list(folder.glob("*.html"))


def test_report_rejects_invalid_outputs(cli, file, tmp_path):
    assert_refused(cli("report", file, tmp_path / "no" / "out.html"), USAGE, "does not exist; make it first", tmp_path)
    assert_refused(cli("report", file, tmp_path), USAGE, "is a folder or device", tmp_path)
    assert_refused(cli("report", file, file, "--overwrite"), USAGE, "is the input itself", tmp_path)


def test_report_rejects_missing_and_different_weights(cli, file, tmp_path, data):
    content = json.loads(file.read_text())
    for change, message in (({"weights": "absent"}, "not installed"), ({"digest": "0" * 64}, "differ from those that")):
        columns = [item | (change if item["weights"] else {}) for item in content["columns"]]
        file.write_text(json.dumps(content | {"columns": columns}))
        assert_refused(cli("report", file, tmp_path / "out.html", "--data", data), USAGE, message, tmp_path)
        assert cli("report", file, tmp_path / "out.html").code == 0
        (tmp_path / "out.html").unlink()


def test_report_rejects_a_missing_picture(cli, file, tmp_path, data):
    (tmp_path / "sets" / "Set").mkdir(parents=True)
    (tmp_path / "sets" / "Set" / "a.png").write_bytes((data / "Set" / "a.png").read_bytes())
    run = cli("report", file, tmp_path / "out.html", "--data", tmp_path / "sets")
    assert_refused(run, DATA, "give the folder that was measured", tmp_path)


def test_report_without_jinja_names_the_extra(cli, file, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert_refused(cli("report", file, tmp_path / "out.html"), USAGE, 'pip install "resizekit[report]"', tmp_path)
