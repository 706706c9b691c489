// What only a browser can do for the explorer: names for screen readers, a file to save, charts that
// follow its width, and keys and links that are not JupyterLab's.
function dressed(root, labels) {
  for (const [selector, attributes] of Object.entries(labels)) {
    for (const element of selector === ":root" ? [root] : root.querySelectorAll(selector)) {
      for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    }
  }
}

// JupyterLab's shortcuts would cut, convert or delete the cell while a control has the focus.
function keep(event) {
  if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
}

// JupyterLab shows a page in a frame that runs no script; it has made its address that of the file.
function follow(event) {
  const link = event.target.closest(".rk-links a");
  if (!link?.pathname.endsWith(".html")) return;
  link.target = "_blank";
  event.stopPropagation();
}

// All charts of a page share one tooltip, which lies outside of the explorer.
function turn(event) {
  document.getElementById("vg-tooltip-element")?.setAttribute("dir", event.currentTarget.dir);
}

export default {
  initialize({model}) {
    model.on("msg:custom", ({kind, name, text}) => {
      if (kind !== "save") return;
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([text], {type: "text/csv;charset=utf-8"}));
      link.download = name;
      document.body.append(link);
      link.click();
      link.remove();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    });
  },

  render({model, el}) {
    let root, watch, timer, width = 0;
    const begin = (tries) => {
      root = el.closest(".rk-explorer");
      if (!root?.isConnected) {
        if (tries) timer = setTimeout(() => begin(tries - 1), 100);
        return;
      }
      const dress = () => dressed(root, model.get("labels"));
      dress();
      root.addEventListener("keydown", keep);
      root.addEventListener("click", follow, true);
      root.addEventListener("pointermove", turn);
      model.on("change:labels", dress);
      watch = new ResizeObserver(() => {  // Vega looks at the window only
        clearTimeout(timer);
        timer = setTimeout(() => {
          if (Math.abs(root.clientWidth - width) > 1) {
            width = root.clientWidth;
            window.dispatchEvent(new Event("resize"));
          }
        }, 120);
      });
      watch.observe(root);
    };
    begin(100);
    return () => {
      clearTimeout(timer);
      watch?.disconnect();
      root?.removeEventListener("keydown", keep);
      root?.removeEventListener("click", follow, true);
      root?.removeEventListener("pointermove", turn);
    };
  },
};
