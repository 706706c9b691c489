// What only a browser can do for the explorer: names for screen readers, a file to save, and charts that follow its width.
function dressed(root, labels) {
  for (const [selector, attributes] of Object.entries(labels)) {
    for (const element of selector === ":root" ? [root] : root.querySelectorAll(selector)) {
      for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    }
  }
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
    let watch, timer, width = 0;
    const begin = (tries) => {
      const root = el.closest(".rk-explorer");
      if (!root?.isConnected) {
        if (tries) timer = setTimeout(() => begin(tries - 1), 100);
        return;
      }
      const dress = () => dressed(root, model.get("labels"));
      dress();
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
    return () => { clearTimeout(timer); watch?.disconnect(); };
  },
};
