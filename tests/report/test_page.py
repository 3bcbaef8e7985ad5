"""`resizekit report`: one file that asks for nothing, and text of files that stays text."""

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
    """Tags with their attributes, and the text of all."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.words, self.raw = [], [], {}
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
            self.words.append(text)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture
def made(cli, file, tmp_path, data, sweep):
    """A page with everything that a file of results and a sweep give."""
    run = cli("report", file, tmp_path / "out.html", "--data", data, "--sweep", sweep, "--pictures", "2")
    assert run.code == 0, run
    assert re.search(r"out\.html: \d+\.\d MB\n", run.out)
    return Page((tmp_path / "out.html").read_text(encoding="utf-8"))


def test_the_page_allows_and_asks_for_nothing_outside(made):
    policy = next(meta["content"] for meta in made.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    for kind in ("script", "style"):
        digest = b64encode(hashlib.sha256(made.raw[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}';" in policy
    assert "default-src 'none'; img-src data:;" in policy
    for tag, attrs in made.tags:
        assert not [name for name in attrs if name == "style" or name.startswith("on")], (tag, attrs)
        for name in ("src", "href"):
            if name in attrs:
                assert attrs[name].startswith(("data:", "#")), (tag, attrs[name][:80])
    assert "url(" not in made.raw["style"]
    assert "@import" not in made.raw["style"]


def test_text_of_files_stays_text(made, hostile):
    assert hostile in made.text
    assert "<b>photographs</b>" in made.text
    assert "<i>held</i>" in made.text
    assert not [image for image in made.all("img") if not image.get("src", "data:").startswith("data:")]
    assert len(made.all("script")) == 1


def test_what_is_told(made, results):
    assert "not trained" in made.text
    assert "Missing not there" in made.text
    assert f"{results.mean('ours-x2', 'Set', 'high_rgb'):.2f}" in made.text
    assert "▼ worse by −1.50" in made.text
    assert "12 345 steps, 10 min" in made.text
    assert "8-bit form equal to MATLAB's imresize bit for bit" in made.text
    assert "✗ differs" in made.text
    assert len([one for one in made.all("circle") if one.get("class") == "dot"]) == 5
    assert len(made.all("polyline")) == 2


def decoded(image):
    return np.array(Image.open(BytesIO(b64decode(image["src"].partition(",")[2]))))


def test_pictures_are_restored_without_any_loss(made, results, data, weights_name, hostile):
    views = [image for image in made.all("img") if image.get("data-view")]
    assert [image["data-view"] for image in views] == ["original", "bicubic", "restored", "small"] * 4
    codec = load(weights_name)
    for i in range(0, len(views), 4):
        name = views[i]["alt"].removeprefix("Original: ")
        low, restored = roundtrip(codec, np.array(Image.open(data / "Set" / name)))
        assert np.array_equal(decoded(views[i]), np.array(Image.open(data / "Set" / name)))
        assert np.array_equal(decoded(views[i + 2]), restored)
        assert np.array_equal(decoded(views[i + 3]), low)


def test_a_sample_of_a_sweep_lies_in_its_folder_or_is_not_shown(made):
    assert [image["alt"] for image in made.all("img") if "guide weight" in image["alt"]] == [
        "Small picture with guide weight 0"
    ]


def test_what_a_sweep_shows_is_only_said_of_one_that_shows_it(made, cli, file, sweep, tmp_path):
    assert "The heavier the guide" in made.text
    told = json.loads(sweep.read_text())
    sweep.write_text(json.dumps(told | {"points": told["points"][:1]}))
    assert cli("report", file, tmp_path / "one.html", "--sweep", sweep).code == 0
    assert "The heavier the guide" not in Page((tmp_path / "one.html").read_text()).text


def test_every_run_that_measured_is_named(made, cli, file, tmp_path):
    assert "in one run" in made.text
    told = json.loads(file.read_text())
    run = told["made_by"]
    told |= {"made_by": run | {"columns": ["ours-x2"]}, "earlier": [run | {"command": "long ago", "columns": ["old"]}]}
    file.write_text(json.dumps(told))
    assert cli("report", file, tmp_path / "two.html").code == 0
    text = Page((tmp_path / "two.html").read_text()).text
    for words in ("in 2 runs", "made up", "ours-x2", "long ago", "old"):
        assert words in text


def test_without_pictures_it_says_how_to_get_them(cli, file, tmp_path):
    assert cli("report", file, tmp_path / "out.html").code == 0
    page = Page((tmp_path / "out.html").read_text())
    assert not page.all("img")
    assert "make this page with --data FOLDER" in page.text


def test_an_empty_suite_is_a_page_too(cli, file, tmp_path):
    told = json.loads(file.read_text())
    file.write_text(json.dumps(told | {name: [] for name in ("sets", "columns", "pictures", "printed", "timings")}))
    assert cli("report", file, tmp_path / "out.html").code == 0
    assert "holds no columns yet" in Page((tmp_path / "out.html").read_text()).text


def test_large_pictures_are_cut_where_bicubic_loses_most_to_the_pixel(cli, file, tmp_path, data, monkeypatch):
    monkeypatch.setattr("resizekit.report.cases.SIDE", 31)
    assert cli("report", file, tmp_path / "out.html", "--data", data, "--pictures", "1").code == 0
    views = [image for image in Page((tmp_path / "out.html").read_text()).all("img") if image.get("data-view")]
    high, low = decoded(views[0]), decoded(views[3])
    assert (high.shape, low.shape) == ((30, 30, 3), (15, 15, 3))
    whole = np.array(Image.open(data / "Set" / views[0]["alt"].removeprefix("Original: ")))
    windows = np.lib.stride_tricks.sliding_window_view(whole, (30, 30, 3))[::2, ::2, 0]
    assert (windows == high).all(axis=(2, 3, 4)).any(), "begins at a step of the factor"


def test_what_exists_stays_unless_told_otherwise(cli, file, tmp_path):
    out = tmp_path / "out.html"
    out.write_text("mine")
    run = cli("report", file, out)
    assert (run.code, out.read_text()) == (USAGE, "mine")
    assert "exists: name another output, or allow it with --overwrite" in run.err
    assert cli("report", file, out, "--overwrite").code == 0
    assert out.read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "cannot read"),
        ("", "holds no results of a suite"),
        ("no JSON", "holds no results of a suite"),
        ("[]", "holds no results of a suite"),
        ('{"format": 99}', "format 99"),
    ],
    ids=["missing", "empty", "no JSON", "a list", "newer"],
)
def test_results_that_are_none(cli, tmp_path, text, words):
    if text is not None:
        (tmp_path / "r.json").write_text(text)
    refused(cli("report", tmp_path / "r.json", tmp_path / "out.html"), DATA, words, tmp_path)


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["--column", "x"], USAGE, "--column 'x': there is none of that name; measured were: theirs-x2, ours-x2"),
        (["--column", "big-x2"], USAGE, "no networks that were measured"),
        (["--data", "absent"], USAGE, "--data absent is no folder"),
        (["--data", "."], USAGE, "--data . holds no folder 'Set'"),
        (["--data", ".", "--pictures", "-1"], USAGE, "pictures"),
        (["--sweep", "absent.json"], DATA, "cannot read absent.json"),
        (["--sweep", "results.json"], DATA, "results.json holds no results of a sweep (sets.0: "),
        (["--ladder", "."], DATA, "name a folder that `resizekit roundtrip` or `pyramid` wrote"),
        (["--roundtrip", "absent"], DATA, "cannot read absent/figures.json"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line_and_leaves_nothing(cli, file, tmp_path, monkeypatch, argv, code, words):
    monkeypatch.chdir(tmp_path)
    refused(cli("report", file, "out.html", *argv), code, words, tmp_path)


def refused(run, code, words, folder):
    assert (run.code, run.out) == (code, ""), run
    assert words in " ".join(run.err.split())
    assert not list(folder.glob("*.html"))


def test_a_place_that_is_none(cli, file, tmp_path):
    refused(cli("report", file, tmp_path / "no" / "out.html"), USAGE, "does not exist; make it first", tmp_path)
    refused(cli("report", file, tmp_path), USAGE, "is a folder or device", tmp_path)
    refused(cli("report", file, file, "--overwrite"), USAGE, "is the input itself", tmp_path)


def test_weights_that_are_not_those_that_were_measured(cli, file, tmp_path, data):
    told = json.loads(file.read_text())
    for change, words in (({"weights": "nobody-has"}, "not installed"), ({"digest": "0" * 64}, "are not those that")):
        columns = [one | (change if one["weights"] else {}) for one in told["columns"]]
        file.write_text(json.dumps(told | {"columns": columns}))
        refused(cli("report", file, tmp_path / "out.html", "--data", data), USAGE, words, tmp_path)
        assert cli("report", file, tmp_path / "out.html").code == 0
        (tmp_path / "out.html").unlink()


def test_a_picture_that_is_gone(cli, file, tmp_path, data):
    (tmp_path / "sets" / "Set").mkdir(parents=True)
    (tmp_path / "sets" / "Set" / "a.png").write_bytes((data / "Set" / "a.png").read_bytes())
    run = cli("report", file, tmp_path / "out.html", "--data", tmp_path / "sets")
    refused(run, DATA, "name the folder that was measured", tmp_path)


def test_without_jinja_the_extra_is_named(cli, file, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    refused(cli("report", file, tmp_path / "out.html"), USAGE, 'pip install "resizekit[report]"', tmp_path)
