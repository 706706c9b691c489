// Puts a live chart in the place of each picture; whatever fails leaves the picture where it is.
for (const script of document.querySelectorAll('figure.chart > script')) {
  const picture = script.previousElementSibling;
  const still = picture.querySelector('svg');
  const live = document.createElement('div');
  live.className = 'live';
  picture.append(live);
  const spec = JSON.parse(script.textContent);
  spec.config = {...spec.config, font: getComputedStyle(document.body).fontFamily};
  if (typeof spec.width === 'number') {  // a plain chart follows the width of the page
    spec.width = 'container';
    spec.height = Math.max(still.getBoundingClientRect().height, spec.height || 240);
    spec.autosize = {type: 'fit', contains: 'padding'};
    if (picture.clientWidth < 480) spec.config.legend = {...spec.config.legend, columns: 2};
    spec.config.axisX = {labelOverlap: true, ...spec.config.axisX};
  }
  vegaEmbed(live, spec, {mode: 'vega-lite', ast: true, actions: false, renderer: 'svg'})
    .then(() => { still.remove(); live.classList.add('ready'); })
    .catch(() => live.remove());
}
