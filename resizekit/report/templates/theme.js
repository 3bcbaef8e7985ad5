// Light or dark: follow the system until the user clicks the button, then remember the choice.
(() => {
  "use strict";
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const stored = {
    read() { try { return localStorage.getItem("resizekit-theme"); } catch { return null; } },
    write(value) { try { localStorage.setItem("resizekit-theme", value); } catch { /* pages from files may have no storage */ } },
  };
  const dark = () => (root.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
  const update = () => {
    button.textContent = dark() ? "Light" : "Dark";
    button.setAttribute("aria-label", dark() ? "Use light colours" : "Use dark colours");
  };
  const previous = stored.read();
  if (previous === "dark" || previous === "light") root.dataset.theme = previous;
  root.classList.add("scripted");
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    stored.write(root.dataset.theme);
    update();
  });
  system.addEventListener("change", update);
  update();
})();
