"""The page in a real Chromium: everything moves by mouse and by keys, in step, and nothing is asked of any network."""

import json
import os
import shutil
from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from resizekit.report.cases import codec_of, make_cases
from resizekit.report.folders import ladder
from resizekit.report.gains import extremes, gains
from resizekit.report.page import Contents, page
from resizekit.report.sweep import read_tradeoff
from resizekit.showcase.pyramid import pyramid_file

PHONE, DESK = (390, 844), (1280, 900)
QUIET = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--force-prefers-reduced-motion",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Headless Chromium that logs what it is asked for."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium: pip install '.[test]'")
    from selenium.webdriver.chrome.service import Service

    program, driver = (shutil.which(name) for name in ("chromium", "chromedriver"))
    if program is None or driver is None:
        pytest.skip("needs Chromium and its driver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in (*QUIET, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # its driver is asked on this machine, whatever proxy there is
    os.environ["NO_PROXY"] = ",".join(filter(None, [os.environ.get("NO_PROXY"), "localhost", "127.0.0.1"]))
    started = webdriver.Chrome(options=options, service=Service(driver))
    yield started
    started.quit()


@pytest.fixture(scope="module")
def html(results, data, tmp_path_factory):
    """A page with all parts."""
    folder = tmp_path_factory.mktemp("page")
    found = gains(results, results.column("ours-x2"))
    source = data / "Set" / "e.png"
    pyramid_file(source, folder / "out", weights=results.column("ours-x2").weights, times=2, device="cpu")
    small = {"guide_weight": 0.1, "high": 40, "low": 30, "sets": {}, "steps": 9, "digest": "", "small": "none.png"}
    (folder / "sweep.json").write_text(json.dumps({"sets": [], "points": [small, small | {"guide_weight": 10}]}))
    contents = Contents(
        results=widened(results),
        column=results.column("ours-x2"),
        gains=found,
        cases=make_cases(codec_of(results.column("ours-x2")), *extremes(found, 1), data),
        sweep=read_tradeoff(folder / "sweep.json"),
        ladders=[ladder(folder / "out")],
    )
    path = folder / "report.html"
    path.write_text(page(contents), encoding="utf-8")
    return path.as_uri()


def widened(results):
    """The same figures under the names of three more sets, for a table that no phone holds."""
    parts = {"sets": list(results.sets), "pictures": list(results.pictures), "printed": list(results.printed)}
    for name in ("Second", "Third", "Fourth"):
        for part, field in (("sets", "name"), ("pictures", "set"), ("printed", "set")):
            parts[part] += [one.model_copy(update={field: name}) for one in getattr(results, part) if "Set" in str(one)]
    return results.model_copy(update={part: tuple(those) for part, those in parts.items()})


@pytest.fixture
def shown(browser, html):
    """The page, opened anew at the size of a desk."""
    resize(browser, *DESK)
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
    """Percent from the left, as the slider, the line and the picture's cover say it."""
    return browser.execute_script(
        "const [d, c] = ['divider', 'cover'].map(id => document.getElementById(id));"
        "return [Number(slider.value), parseFloat(d.style.left), 100 - parseFloat(c.style.clipPath.split(' ')[1])]"
    )


def test_nothing_is_asked_of_the_network(shown):
    asked = [
        told["params"]["request"]["url"]
        for line in shown.get_log("performance")
        if (told := json.loads(line["message"])["message"])["method"] == "Network.requestWillBeSent"
    ]
    assert [url for url in asked if url.startswith("file:")] == [shown.current_url.partition("#")[0]]
    assert {url.partition(":")[0] for url in asked} <= {"file", "data"}


def test_the_divider_moves_by_mouse_and_by_keys(shown):
    assert divider(shown) == [50, 50, 50]
    stage = by(shown, "stage")
    shown.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", stage)
    a_quarter = round(stage.size["width"] / 4)
    actions(shown).click_and_hold(by(shown, "divider")).move_by_offset(a_quarter, 0).release().perform()
    value, line, cover = divider(shown)
    assert value == pytest.approx(75, abs=1)
    assert line == pytest.approx(cover) == pytest.approx(75, abs=1)
    from selenium.webdriver.common.keys import Keys

    press(shown, by(shown, "slider"), Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    assert divider(shown) == [value - 2] * 3
    press(shown, by(shown, "slider"), Keys.HOME)
    assert divider(shown) == [0, 0, 0]


def test_zoom_and_place_are_one_in_all_views(shown):
    from selenium.webdriver.common.keys import Keys

    stage = by(shown, "stage")
    assert len(transforms(shown)) == 8
    by(shown, "in").click()
    press(shown, stage, "+", Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    (moved,) = set(transforms(shown))
    assert "scale(2.25)" in moved
    assert by(shown, "scale").text == "2.3×"
    pane = shown.find_element("css selector", ".case:not([hidden]) .pane")
    shown.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", pane)
    actions(shown).click_and_hold(pane).move_by_offset(30, 20).release().perform()
    (dragged,) = set(transforms(shown))
    assert dragged != moved
    actions(shown).double_click(pane).perform()
    (closer,) = set(transforms(shown))
    assert "scale(4.5)" in closer
    press(shown, stage, "0")
    assert {text.split(" ")[-1] for text in transforms(shown)} == {"scale(1)"}


def test_no_zoom_leads_past_the_edge(shown):
    from selenium.webdriver.common.keys import Keys

    press(shown, by(shown, "stage"), "+", *[Keys.ARROW_LEFT] * 30, *[Keys.ARROW_UP] * 30)
    assert set(transforms(shown)) == {"translate(0%, 0%) scale(1.5)"}


def test_error_maps_hold_the_amplified_difference(shown):
    def pixels(view):
        source = shown.execute_script(f"return document.querySelector('.case:not([hidden]) [data-view={view}]').src")
        return np.array(Image.open(BytesIO(b64decode(source.partition(",")[2]))).convert("RGB")).astype(int)

    for times in (8, 9):
        error = np.abs(pixels("bicubic") - pixels("original")).max(axis=2, keepdims=True)
        assert np.array_equal(pixels("error-bicubic"), (error * times).clip(0, 255).repeat(3, 2))
        from selenium.webdriver.common.keys import Keys

        before = shown.execute_script("return document.querySelector('[data-view=error-restored]').src")
        press(shown, by(shown, "amplify"), Keys.ARROW_RIGHT)
        script = f"document.querySelector('[data-view=error-restored]').src != {json.dumps(before)}"
        wait(shown, script)


def shows(side, view):
    return f"document.getElementById('{side}').src == document.querySelector('#case-2 [data-view={view}]').src"


def test_another_case_and_another_view(shown, hostile):
    buttons = shown.find_elements("css selector", "[data-case]")
    buttons[1].send_keys("\ue007")  # enter
    wait(shown, "document.getElementById('case-1').hidden && !document.getElementById('case-2').hidden")
    assert [button.get_attribute("aria-pressed") for button in buttons] == ["false", "true"]
    wait(
        shown, "document.getElementById('over-right').src == document.querySelector('#case-2 [data-view=restored]').src"
    )
    from selenium.webdriver.support.ui import Select

    Select(by(shown, "left")).select_by_value("small")
    wait(shown, shows("over-left", "small"))
    assert by(shown, "tag-left").text == "Small picture"
    rendering = "return getComputedStyle(document.getElementById('over-left')).imageRendering"
    assert shown.execute_script(rendering) == "pixelated"


def test_light_and_dark(shown):
    ground = "return getComputedStyle(document.body).backgroundColor"

    def prefer(scheme):
        shown.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        )

    try:
        prefer("dark")
        dark = shown.execute_script(ground)
        prefer("light")
        light = shown.execute_script(ground)
        assert light != dark
        by(shown, "theme").click()
        assert shown.execute_script(ground) == dark
        assert by(shown, "theme").text == "Light"
        by(shown, "theme").click()
        assert shown.execute_script(ground) == light
        prefer("dark")
        assert shown.execute_script(ground) == light, "what was chosen stays"
    finally:
        shown.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        shown.execute_script("localStorage.clear()")


def test_text_has_contrast_in_both(shown):
    script = """
      const channel = (v) => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
      const light = (text) => { const [r, g, b] = text.match(/[\\d.]+/g).map(Number).map(channel);
        return .2126 * r + .7152 * g + .0722 * b; };
      const ground = light(getComputedStyle(document.body).backgroundColor);
      return ['body', '.muted', '.worse', '.better', 'nav a', '.printed', '.badge', 'summary'].map((name) => {
        const it = document.querySelector(name);
        if (!it) return [name, 21];
        const ink = light(getComputedStyle(it).color);
        return [name, (Math.max(ink, ground) + .05) / (Math.min(ink, ground) + .05)];
      });"""
    for theme in ("light", "dark"):
        shown.execute_script(f"document.documentElement.dataset.theme = '{theme}'")
        assert {name: ratio for name, ratio in shown.execute_script(script) if ratio < 4.5} == {}


def test_every_control_has_a_name_and_every_picture_words(shown):
    nameless = shown.execute_script(
        "return [...document.querySelectorAll('button, input, select, [tabindex]')].filter((e) =>"
        " !(e.getAttribute('aria-label') || e.labels?.length || e.textContent.trim())).map((e) => e.outerHTML)"
    )
    assert nameless == []
    assert shown.execute_script("return [...document.images].filter((e) => !e.alt).length") == 0


def test_a_phone_scrolls_down_only(shown):
    resize(shown, *PHONE, mobile=True)
    shown.refresh()
    wait(shown, "document.querySelector('[data-view=error-restored]').naturalWidth > 0")
    shown.execute_script("for (const one of document.querySelectorAll('details')) one.open = true")
    assert shown.execute_script("return [innerWidth, document.documentElement.scrollWidth]") == [390, 390]


def test_without_scripts_all_pictures_are_there(browser, html):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(html)
        assert len([one for one in browser.find_elements("css selector", ".case .pane img") if one.is_displayed()]) == 8
        assert not by(browser, "stage").is_displayed()
        assert not by(browser, "theme").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
