// Puts a live chart in the place of each picture; whatever fails leaves the picture where it is.
for (const script of document.querySelectorAll('figure.chart > script')) {
  const picture = script.previousElementSibling;
  const still = picture.querySelector('svg');
  const live = document.createElement('div');
  live.className = 'live';
  live.ariaHidden = 'true';  // the picture around it is described; Vega's own roles have no names
  picture.append(live);
  const spec = JSON.parse(script.textContent);
  spec.config = {...spec.config, aria: false, font: getComputedStyle(document.body).fontFamily};
  if (typeof spec.width === 'number') {  // a plain chart follows the width of the page
    spec.width = 'container';
    spec.height = Math.max(still.getBoundingClientRect().height, spec.height || 240);
    spec.autosize = {type: 'fit', contains: 'padding'};
    if (picture.clientWidth < 480) {  // a phone: fewer labels, the last one always among them
      spec.config.legend = {...spec.config.legend, columns: 2};
      const axis = spec.encoding?.x?.axis;
      const step = Math.ceil((axis?.values?.length ?? 0) / 6);
      if (step > 1) axis.values = axis.values.filter((_, place, all) => (all.length - 1 - place) % step === 0);
    }
    spec.config.axisX = {labelOverlap: true, ...spec.config.axisX};
  }
  vegaEmbed(live, spec, {mode: 'vega-lite', ast: true, actions: false, renderer: 'svg'})
    .then(() => {
      still.remove();
      live.classList.add('ready');
      if (picture.scrollWidth <= picture.clientWidth) picture.removeAttribute('tabindex');  // nothing to scroll
    })
    .catch(() => live.remove());
}
