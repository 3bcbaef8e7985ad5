// The picture browser: a list of cases, a stage with a divider, and panes that always show the same place.
(() => {
  "use strict";
  const browser = document.getElementById("browser");
  if (!browser) return;
  const by = (id) => document.getElementById(id);
  const [stage, slider, divider, cover] = ["stage", "slider", "divider", "cover"].map(by);
  const sides = { left: by("left"), right: by("right") };
  const cases = [...browser.querySelectorAll(".case")];
  const buttons = [...browser.querySelectorAll("[data-case]")];
  const view = new View(browser);
  let current = cases[0];

  for (const item of cases) {
    for (const [key, title] of [["bicubic", "Error of bicubic"], ["restored", "Error of restored"]]) {
      const figure = document.createElement("figure");
      const pane = Object.assign(document.createElement("div"), { className: "pane" });
      const image = Object.assign(document.createElement("img"), { className: "layer", alt: title, draggable: false });
      image.dataset.view = `error-${key}`;
      pane.append(image);
      figure.append(pane, Object.assign(document.createElement("figcaption"), { textContent: title }));
      item.querySelector(".panes").append(figure);
    }
  }
  const layer = (key) => current.querySelector(`[data-view="${key}"]`);
  const ratio = () => `${layer("original").naturalWidth} / ${layer("original").naturalHeight}`;

  async function errors() {
    const [here, factor] = [current, Number(by("amplify").value)];
    by("times").textContent = factor;
    for (const key of ["bicubic", "restored"]) {
      const map = await errorMap(layer(key), layer("original"), factor);
      if (here !== current || factor !== Number(by("amplify").value)) return; // the selection has changed meanwhile
      layer(`error-${key}`).src = map;
    }
    updateSides();
  }

  function updateSides() {
    for (const [side, select] of Object.entries(sides)) {
      const from = layer(select.value);
      const over = by(`over-${side}`);
      over.src = from.src;
      over.classList.toggle("small", select.value === "small");
      over.alt = `${select.selectedOptions[0].text} on the ${side}`;
      by(`tag-${side}`).textContent = select.selectedOptions[0].text;
    }
  }

  async function choose(id) {
    current = cases.find((item) => item.id === id);
    for (const item of cases) item.hidden = item !== current;
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.case === id));
    await layer("original").decode();
    for (const pane of [stage, ...current.querySelectorAll(".pane")]) pane.style.aspectRatio = ratio();
    view.reset();
    updateSides();
    await errors();
  }

  function divide(percent) {
    const at = Math.min(100, Math.max(0, percent));
    slider.value = at;
    slider.setAttribute("aria-valuetext", `${Math.round(at)} % from the left`);
    divider.style.left = `${at}%`;
    cover.style.clipPath = `inset(0 ${100 - at}% 0 0)`;
  }

  view.onChange = () => { by("scale").textContent = `${view.z.toFixed(view.z < 10 ? 1 : 0).replace(".0", "")}×`; };
  for (const pane of browser.querySelectorAll(".pane")) view.listen(pane);
  stage.addEventListener("keydown", (event) => view.key(event));
  by("in").addEventListener("click", () => view.zoom(1.5));
  by("out").addEventListener("click", () => view.zoom(1 / 1.5));
  by("reset").addEventListener("click", () => view.reset());
  for (const button of buttons) button.addEventListener("click", () => choose(button.dataset.case));
  for (const select of Object.values(sides)) select.addEventListener("change", updateSides);
  by("amplify").addEventListener("input", errors);
  slider.addEventListener("input", () => divide(Number(slider.value)));
  divider.addEventListener("pointerdown", (event) => {
    event.stopPropagation();
    divider.setPointerCapture(event.pointerId);
  });
  divider.addEventListener("pointermove", (event) => {
    if (!divider.hasPointerCapture(event.pointerId)) return;
    const box = stage.getBoundingClientRect();
    divide((event.clientX - box.left) / box.width * 100);
  });
  divider.addEventListener("dblclick", (event) => event.stopPropagation());

  for (const item of browser.querySelectorAll("[hidden]")) item.hidden = false;
  divide(50);
  choose(cases[0].id);
})();
