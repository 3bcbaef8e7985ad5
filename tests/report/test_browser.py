"""The page in Chromium: mouse and keyboard control, linked views, and no network requests."""

import json
import os
import shutil
from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from resizekit.images.run_options import RunOptions
from resizekit.report.cases import load_column_codec, make_cases
from resizekit.report.folders import pyramid_views
from resizekit.report.gains import extremes, gains
from resizekit.report.page import Contents, render_page
from resizekit.report.sweep import read_tradeoff
from resizekit.showcase.pyramid import pyramid_file

PHONE, DESKTOP = (390, 844), (1280, 900)
QUIET = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--force-prefers-reduced-motion",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser(tmp_path_factory, pytestconfig):
    """Headless Chromium that logs its requests."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium: pip install '.[test]'")
    from selenium.webdriver.chrome.service import Service

    program, driver = (shutil.which(name) for name in ("chromium", "chromedriver"))
    if program is None or driver is None:
        assert not pytestconfig.getoption("--require-browser"), "Chromium or its driver is missing"
        pytest.skip("needs Chromium and its driver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in (*QUIET, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # connect to the driver on this machine without a proxy
    os.environ["NO_PROXY"] = ",".join(filter(None, [os.environ.get("NO_PROXY"), "localhost", "127.0.0.1"]))
    started = webdriver.Chrome(options=options, service=Service(driver))
    yield started
    started.quit()


@pytest.fixture(scope="module")
def html(results, data, tmp_path_factory):
    """A page with all parts."""
    folder = tmp_path_factory.mktemp("page")
    found = gains(results, results.column("own-x2"))
    source = data / "Set" / "e.png"
    pyramid_file(
        source, folder / "out", weights=results.column("own-x2").weights, times=2, options=RunOptions(device="cpu")
    )
    small = {"guide_weight": 0.1, "high": 40, "low": 30, "sets": {}, "steps": 9, "digest": "", "small": "none.png"}
    (folder / "sweep.json").write_text(json.dumps({"sets": [], "points": [small, small | {"guide_weight": 10}]}))
    contents = Contents(
        results=widened(results),
        column=results.column("own-x2"),
        gains=found,
        cases=make_cases(load_column_codec(results.column("own-x2")), *extremes(found, 1), data),
        sweep=read_tradeoff(folder / "sweep.json"),
        pyramids=[pyramid_views(folder / "out")],
    )
    path = folder / "report.html"
    path.write_text(render_page(contents), encoding="utf-8")
    return path.as_uri()


def widened(results):
    """The same results for three more sets, for a table wider than a phone."""
    parts = {"sets": list(results.sets), "pictures": list(results.pictures), "published": list(results.published)}
    for name in ("Second", "Third", "Fourth"):
        for part, field in (("sets", "name"), ("pictures", "set"), ("published", "set")):
            parts[part] += [
                item.model_copy(update={field: name}) for item in getattr(results, part) if "Set" in str(item)
            ]
    return results.model_copy(update={part: tuple(items) for part, items in parts.items()})


@pytest.fixture
def opened(browser, html):
    """The page, reloaded at the size of a desktop."""
    resize(browser, *DESKTOP)
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get(html)
    wait(browser, "document.querySelector('.case:not([hidden]) [data-view=error-restored]').naturalWidth > 0")
    yield browser
    assert browser.get_log("browser") == []


def resize(browser, width, height, mobile=False):
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def wait(browser, condition):
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 30).until(lambda driver: driver.execute_script(f"return {condition}"))


def by(browser, name):
    return browser.find_element("id", name)


def actions(browser):
    from selenium.webdriver import ActionChains

    return ActionChains(browser, duration=20)


def press(browser, where, *keys):
    browser.execute_script("arguments[0].focus()", where)
    actions(browser).send_keys(*keys).perform()


def transforms(browser):
    script = (
        "return [...document.querySelectorAll('.stage .layer, .case:not([hidden]) .layer')].map(e => e.style.transform)"
    )
    return browser.execute_script(script)


def divider(browser):
    """Positions of the slider, the line and the cover of the picture, in percent from the left."""
    return browser.execute_script(
        "const [d, c] = ['divider', 'cover'].map(id => document.getElementById(id));"
        "return [Number(slider.value), parseFloat(d.style.left), 100 - parseFloat(c.style.clipPath.split(' ')[1])]"
    )


def test_page_makes_no_network_requests(opened):
    urls = [
        message["params"]["request"]["url"]
        for line in opened.get_log("performance")
        if (message := json.loads(line["message"])["message"])["method"] == "Network.requestWillBeSent"
    ]
    assert [url for url in urls if url.startswith("file:")] == [opened.current_url.partition("#")[0]]
    assert {url.partition(":")[0] for url in urls} <= {"file", "data"}


def test_divider_moves_by_mouse_and_keyboard(opened):
    assert divider(opened) == [50, 50, 50]
    stage = by(opened, "stage")
    opened.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", stage)
    a_quarter = round(stage.size["width"] / 4)
    actions(opened).click_and_hold(by(opened, "divider")).move_by_offset(a_quarter, 0).release().perform()
    value, line, cover = divider(opened)
    assert value == pytest.approx(75, abs=1)
    assert line == pytest.approx(cover) == pytest.approx(75, abs=1)
    from selenium.webdriver.common.keys import Keys

    press(opened, by(opened, "slider"), Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    assert divider(opened) == [value - 2] * 3
    press(opened, by(opened, "slider"), Keys.HOME)
    assert divider(opened) == [0, 0, 0]


def test_zoom_and_position_are_linked_in_all_views(opened):
    from selenium.webdriver.common.keys import Keys

    stage = by(opened, "stage")
    assert len(transforms(opened)) == 8
    by(opened, "in").click()
    press(opened, stage, "+", Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    (moved,) = set(transforms(opened))
    assert "scale(2.25)" in moved
    assert by(opened, "scale").text == "2.3×"
    pane = opened.find_element("css selector", ".case:not([hidden]) .pane")
    opened.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", pane)
    actions(opened).click_and_hold(pane).move_by_offset(30, 20).release().perform()
    (dragged,) = set(transforms(opened))
    assert dragged != moved
    actions(opened).double_click(pane).perform()
    (closer,) = set(transforms(opened))
    assert "scale(4.5)" in closer
    press(opened, stage, "0")
    assert {text.split(" ")[-1] for text in transforms(opened)} == {"scale(1)"}


def test_view_stays_inside_the_picture(opened):
    from selenium.webdriver.common.keys import Keys

    press(opened, by(opened, "stage"), "+", *[Keys.ARROW_LEFT] * 30, *[Keys.ARROW_UP] * 30)
    assert set(transforms(opened)) == {"translate(0%, 0%) scale(1.5)"}


def test_error_maps_are_amplified_differences(opened):
    def pixels(view):
        source = opened.execute_script(f"return document.querySelector('.case:not([hidden]) [data-view={view}]').src")
        return np.array(Image.open(BytesIO(b64decode(source.partition(",")[2]))).convert("RGB")).astype(int)

    for times in (8, 9):
        error = np.abs(pixels("bicubic") - pixels("original")).max(axis=2, keepdims=True)
        assert np.array_equal(pixels("error-bicubic"), (error * times).clip(0, 255).repeat(3, 2))
        from selenium.webdriver.common.keys import Keys

        before = opened.execute_script("return document.querySelector('[data-view=error-restored]').src")
        press(opened, by(opened, "amplify"), Keys.ARROW_RIGHT)
        script = f"document.querySelector('[data-view=error-restored]').src != {json.dumps(before)}"
        wait(opened, script)


def shows(side, view):
    return f"document.getElementById('{side}').src == document.querySelector('#case-2 [data-view={view}]').src"


def test_case_and_view_can_be_changed(opened, hostile):
    buttons = opened.find_elements("css selector", "[data-case]")
    buttons[1].send_keys("\ue007")  # enter
    wait(opened, "document.getElementById('case-1').hidden && !document.getElementById('case-2').hidden")
    assert [button.get_attribute("aria-pressed") for button in buttons] == ["false", "true"]
    wait(
        opened,
        "document.getElementById('over-right').src == document.querySelector('#case-2 [data-view=restored]').src",
    )
    from selenium.webdriver.support.ui import Select

    Select(by(opened, "left")).select_by_value("small")
    wait(opened, shows("over-left", "small"))
    assert by(opened, "tag-left").text == "Small picture"
    rendering = "return getComputedStyle(document.getElementById('over-left')).imageRendering"
    assert opened.execute_script(rendering) == "pixelated"


def test_theme_follows_the_system_until_changed(opened):
    ground = "return getComputedStyle(document.body).backgroundColor"

    def prefer(scheme):
        opened.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        )

    try:
        prefer("dark")
        dark = opened.execute_script(ground)
        prefer("light")
        light = opened.execute_script(ground)
        assert light != dark
        by(opened, "theme").click()
        assert opened.execute_script(ground) == dark
        assert by(opened, "theme").text == "Light"
        by(opened, "theme").click()
        assert opened.execute_script(ground) == light
        prefer("dark")
        assert opened.execute_script(ground) == light, "the choice is kept"
    finally:
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        opened.execute_script("localStorage.clear()")


def test_text_has_contrast_in_both_themes(opened):
    script = """
      const channel = (v) => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
      const light = (text) => { const [r, g, b] = text.match(/[\\d.]+/g).map(Number).map(channel);
        return .2126 * r + .7152 * g + .0722 * b; };
      const ground = light(getComputedStyle(document.body).backgroundColor);
      return ['body', '.muted', '.worse', '.better', 'nav a', '.published', '.badge', 'summary'].map((name) => {
        const it = document.querySelector(name);
        if (!it) return [name, 21];
        const ink = light(getComputedStyle(it).color);
        return [name, (Math.max(ink, ground) + .05) / (Math.min(ink, ground) + .05)];
      });"""
    for theme in ("light", "dark"):
        opened.execute_script(f"document.documentElement.dataset.theme = '{theme}'")
        assert {name: ratio for name, ratio in opened.execute_script(script) if ratio < 4.5} == {}


def test_controls_have_names_and_pictures_have_alt_texts(opened):
    nameless = opened.execute_script(
        "return [...document.querySelectorAll('button, input, select, [tabindex]')].filter((e) =>"
        " !(e.getAttribute('aria-label') || e.labels?.length || e.textContent.trim())).map((e) => e.outerHTML)"
    )
    assert nameless == []
    assert opened.execute_script("return [...document.images].filter((e) => !e.alt).length") == 0


def test_phone_scrolls_only_vertically(opened):
    resize(opened, *PHONE, mobile=True)
    opened.refresh()
    wait(opened, "document.querySelector('[data-view=error-restored]').naturalWidth > 0")
    opened.execute_script("for (const item of document.querySelectorAll('details')) item.open = true")
    assert opened.execute_script("return [innerWidth, document.documentElement.scrollWidth]") == [390, 390]


def test_page_without_scripts_shows_all_pictures(browser, html):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(html)
        assert (
            len([image for image in browser.find_elements("css selector", ".case .pane img") if image.is_displayed()])
            == 8
        )
        assert not by(browser, "stage").is_displayed()
        assert not by(browser, "theme").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
