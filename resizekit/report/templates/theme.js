// Light or dark: the system's choice until the button says otherwise, and then that, also next time.
(() => {
  "use strict";
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const kept = {
    read() { try { return localStorage.getItem("resizekit-theme"); } catch { return null; } },
    write(value) { try { localStorage.setItem("resizekit-theme", value); } catch { /* a page on a disk may not */ } },
  };
  const dark = () => (root.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
  const tell = () => {
    button.textContent = dark() ? "Light" : "Dark";
    button.setAttribute("aria-label", dark() ? "Use light colours" : "Use dark colours");
  };
  const before = kept.read();
  if (before === "dark" || before === "light") root.dataset.theme = before;
  root.classList.add("scripted");
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    kept.write(root.dataset.theme);
    tell();
  });
  system.addEventListener("change", tell);
  tell();
})();
