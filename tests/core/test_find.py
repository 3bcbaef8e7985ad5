"""Search of folders and patterns, and names of the outputs."""

from pathlib import Path

import pytest

from resizekit.errors import ImageError
from resizekit.images.output_names import output_names
from resizekit.pictures.io.find import Match, find_pictures, search_pictures


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Create empty files below an empty working directory: `tree("a/b.png", "c.txt")`."""
    monkeypatch.chdir(tmp_path)

    def create(*names):
        for name in names:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).touch()

    return create


def found(*paths, **options):
    return [str(path.path) for path in search_pictures(map(Path, paths), **options).pictures]


def test_folder_holds_pictures_of_every_common_suffix(tree):
    names = "apng avif bmp gif heic heif jfif jp2 jpe jpeg JPG jxl npy npz png pnm ppm tga tif tiff webp"
    suffixes = names.split()
    tree(*(f"in/a.{suffix}" for suffix in suffixes))
    assert {Path(path).suffix[1:] for path in found("in")} == set(suffixes)
    assert search_pictures(["in"]).ignored == ()


def test_other_files_in_a_folder_are_listed_as_ignored(tree):
    tree("in/a.png", "in/._a.png", "in/deep/notes.txt", "in/.DS_Store")
    Path("in/broken.png").symlink_to("absent.png")
    search = search_pictures(["in"])
    assert [match.path for match in search.pictures] == [Path("in/a.png")]
    assert set(map(str, search.ignored)) == {"in/._a.png", "in/deep/notes.txt", "in/.DS_Store", "in/broken.png"}


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("in/*.jpg", ["in/a.jpg"]),
        ("in/*/*.jpg", ["in/x/b.jpg", "in/y/b.jpg"]),
        ("**/*.jpg", ["in/a.jpg", "in/x/b.jpg", "in/x/z/c.jpg", "in/y/b.jpg"]),
        ("in/**/[bc].jpg", ["in/x/b.jpg", "in/x/z/c.jpg", "in/y/b.jpg"]),
        ("in/x/**", ["in/x/b.jpg", "in/x/z/c.jpg"]),
        ("in/?/z/*", ["in/x/z/c.jpg"]),
        ("in/**/*.txt", ["in/x/n.txt"]),
        ("[b]/*.png", ["[b]/d.png"]),
    ],
)
def test_patterns_match_in_folders(tree, pattern, matches):
    tree("in/a.jpg", "in/x/b.jpg", "in/y/b.jpg", "in/x/z/c.jpg", "in/x/n.txt", "[b]/d.png", "b/d.png")
    assert found(pattern) == matches


def test_structure_below_the_fixed_part_of_a_pattern_is_kept(tree):
    tree("in/x/b.jpg", "in/y/b.jpg")
    assert [str(match.relative) for match in search_pictures(["in/*/*.jpg"]).pictures] == ["x/b.jpg", "y/b.jpg"]
    assert [str(match.relative) for match in search_pictures(["in/x/*.jpg"]).pictures] == ["b.jpg"]


def test_folders_without_a_picture_are_listed(tree):
    tree("in/a.png")
    for name in ("in/bare/deep", "twice"):
        Path(name).mkdir(parents=True)
    Path("in/bare/notes.txt").touch()
    search = search_pictures(map(Path, ("in", "in/bare", "twice")))
    assert search.empty == (Path("in/bare"), Path("twice"))
    assert search_pictures(map(Path, ("in", "in"))).empty == ()


def test_pattern_without_a_match_is_an_error(tree):
    tree("in/a.jpg")
    for pattern in ("in/*.png", "absent/*.png", "in/*/*.jpg"):
        with pytest.raises(ImageError, match="nothing matches"):
            search_pictures([pattern])


def test_linked_folders_are_followed_once(tree):
    tree("in/z/a.png", "far/b.png")
    Path("in/a-link").symlink_to("z")
    Path("in/far").symlink_to("../far")
    Path("in/z/loop").symlink_to("..")
    assert found("in") == ["in/far/b.png", "in/z/a.png"]


def test_link_to_itself_hides_no_other_entry(tree):
    tree("in/a.png", "in/deep/b.png")
    Path("in/self.png").symlink_to("self.png")
    Path("in/self").symlink_to("self")
    search = search_pictures(["in"])
    assert [str(match.path) for match in search.pictures] == ["in/a.png", "in/deep/b.png"]
    assert search.ignored == (Path("in/self"), Path("in/self.png"))


def test_same_picture_is_found_once(tree):
    tree("in/a.png", "in/b.png")
    Path("in/c.png").symlink_to("b.png")
    expected = ["in/a.png", "in/b.png", "in/c.png"]
    assert found("in/a.png", "./in/a.png", Path("in").resolve() / "a.png", "in", "in/*.png") == expected
    assert [str(path) for path in find_pictures(["in/a.png", "in/a.png"])] == ["in/a.png"]


def test_output_folder_is_not_searched(tree):
    tree("in/a.png", "in/small/a.png", "in/small/deep/b.png", "in/smaller/c.png")
    assert found("in", out=Path("in/x/../small")) == ["in/a.png", "in/smaller/c.png"]
    assert found("in/**/*.png", out=Path("in/small")) == ["in/a.png", "in/smaller/c.png"]
    assert found("in/small", out=Path("in/small")) == ["in/small/a.png", "in/small/deep/b.png"]
    assert found("in/small", out=Path("in")) == ["in/small/a.png", "in/small/deep/b.png"]


@pytest.mark.parametrize(
    ("pictures", "outputs"),
    [
        ([("in/a.jpg", "a.jpg"), ("in/d/a.jpg", "d/a.jpg")], ["a.png", "d/a.png"]),
        ([("in/a.jpg", "a.jpg"), ("in/a.png", "a.png"), ("in/b.tif", "b.tif")], ["a.jpg.png", "a.png.png", "b.png"]),
        (
            [("in/a.jpg", "a.jpg"), ("in/a.png", "a.png"), ("in/a.jpg.png", "a.jpg.png")],
            ["a.png", "a.png.png", "a.jpg.png.png"],
        ),
        ([("x/a.jpg", "a.jpg"), ("y/a.jpg", "a.jpg")], ["x/a.png", "y/a.png"]),
        (
            [("x/a.jpg", "a.jpg"), ("y/a.jpg", "a.jpg"), ("x/a.tif", "a.tif")],
            ["x/a.png", "y/a.png", "a.tif.png"],
        ),
    ],
)
def test_outputs_have_different_names(pictures, outputs):
    names = output_names([Match(Path(path), Path(relative)) for path, relative in pictures], lambda _: ".png")
    assert [str(name) for name in names] == outputs
