// One view shared by many panes: how far it is zoomed, and where its middle lies, as fractions of the picture.
class View {
  constructor(browser) {
    this.browser = browser;
    this.z = 1;
    this.x = this.y = 0.5;
    this.held = new Map();
    this.after = () => {};
  }

  show() {
    const most = 1 - 0.5 / this.z;
    this.x = Math.min(most, Math.max(1 - most, this.x));
    this.y = Math.min(most, Math.max(1 - most, this.y));
    const move = (middle) => `${((0.5 - middle * this.z) * 100).toFixed(4)}%`;
    const transform = `translate(${move(this.x)}, ${move(this.y)}) scale(${this.z})`;
    for (const layer of this.browser.querySelectorAll(".layer")) layer.style.transform = transform;
    this.browser.classList.toggle("zoomed", this.z > 1);
    this.browser.classList.toggle("near", this.z >= 3);
    this.after();
  }

  // Keep what lies under a place of the pane, both as fractions, where it is.
  zoom(by, px = 0.5, py = 0.5) {
    const z = Math.min(16, Math.max(1, this.z * by));
    this.x += (px - 0.5) * (1 / this.z - 1 / z);
    this.y += (py - 0.5) * (1 / this.z - 1 / z);
    this.z = z;
    this.show();
  }

  pan(dx, dy) {
    this.x -= dx / this.z;
    this.y -= dy / this.z;
    this.show();
  }

  whole() {
    this.z = 1;
    this.show();
  }

  // Let a pane be dragged, pinched, clicked twice and, while something in the browser has the focus, zoomed by a wheel.
  listen(pane) {
    const place = (event) => {
      const box = pane.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    };
    pane.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      this.held.set(event.pointerId, place(event));
      pane.setPointerCapture(event.pointerId);
      pane.classList.add("moving");
    });
    pane.addEventListener("pointermove", (event) => {
      const from = this.held.get(event.pointerId);
      if (!from) return;
      const to = place(event);
      const other = [...this.held].find(([id]) => id !== event.pointerId)?.[1];
      this.held.set(event.pointerId, to);
      if (other) {
        const far = ([x, y]) => Math.hypot(x - other[0], y - other[1]) || 0.01;
        this.zoom(far(to) / far(from), (to[0] + other[0]) / 2, (to[1] + other[1]) / 2);
      } else this.pan(to[0] - from[0], to[1] - from[1]);
    });
    const release = (event) => {
      this.held.delete(event.pointerId);
      pane.classList.remove("moving");
    };
    pane.addEventListener("pointerup", release);
    pane.addEventListener("pointercancel", release);
    pane.addEventListener("dblclick", (event) => this.zoom(2, ...place(event)));
    pane.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !this.browser.contains(document.activeElement)) return;
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY / 300), ...place(event));
    }, { passive: false });
  }

  key(event) {
    const step = 0.1;
    const does = {
      "+": () => this.zoom(1.5), "=": () => this.zoom(1.5), "-": () => this.zoom(1 / 1.5), "0": () => this.whole(),
      ArrowLeft: () => this.pan(step, 0), ArrowRight: () => this.pan(-step, 0),
      ArrowUp: () => this.pan(0, step), ArrowDown: () => this.pan(0, -step),
    }[event.key];
    if (!does || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    does();
  }
}
