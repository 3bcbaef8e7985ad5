// A view shared by many panes: its zoom and its centre, as fractions of the picture.
class View {
  constructor(browser) {
    this.browser = browser;
    this.z = 1;
    this.x = this.y = 0.5;
    this.pointers = new Map();
    this.onChange = () => {};
  }

  show() {
    const limit = 1 - 0.5 / this.z;
    this.x = Math.min(limit, Math.max(1 - limit, this.x));
    this.y = Math.min(limit, Math.max(1 - limit, this.y));
    const move = (centre) => `${((0.5 - centre * this.z) * 100).toFixed(4)}%`;
    const transform = `translate(${move(this.x)}, ${move(this.y)}) scale(${this.z})`;
    for (const layer of this.browser.querySelectorAll(".layer")) layer.style.transform = transform;
    this.browser.classList.toggle("zoomed", this.z > 1);
    this.browser.classList.toggle("near", this.z >= 3);
    this.onChange();
  }

  // Zoom around a point of the pane, given as fractions of its size.
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

  reset() {
    this.z = 1;
    this.show();
  }

  // Support dragging, pinching and double clicks in a pane, and the wheel while the browser has the focus.
  listen(pane) {
    const place = (event) => {
      const box = pane.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    };
    pane.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      this.pointers.set(event.pointerId, place(event));
      pane.setPointerCapture(event.pointerId);
      pane.classList.add("moving");
    });
    pane.addEventListener("pointermove", (event) => {
      const from = this.pointers.get(event.pointerId);
      if (!from) return;
      const to = place(event);
      const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
      this.pointers.set(event.pointerId, to);
      if (other) {
        const distance = ([x, y]) => Math.hypot(x - other[0], y - other[1]) || 0.01;
        this.zoom(distance(to) / distance(from), (to[0] + other[0]) / 2, (to[1] + other[1]) / 2);
      } else this.pan(to[0] - from[0], to[1] - from[1]);
    });
    const release = (event) => {
      this.pointers.delete(event.pointerId);
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
    const action = {
      "+": () => this.zoom(1.5), "=": () => this.zoom(1.5), "-": () => this.zoom(1 / 1.5), "0": () => this.reset(),
      ArrowLeft: () => this.pan(step, 0), ArrowRight: () => this.pan(-step, 0),
      ArrowUp: () => this.pan(0, step), ArrowDown: () => this.pan(0, -step),
    }[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action();
  }
}
