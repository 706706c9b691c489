// On a phone: fewer labels of periods, numbers and names where there is room for them.
function narrow(spec) {
  const isRtl = spec.usermeta?.direction === 'rtl';
  const end = isRtl ? 'left' : 'right';
  spec.config.legend = {...spec.config.legend, columns: 2};
  const x = spec.encoding?.x;
  const [, labels] = x?.axis?.labelExpr?.match(/^\((.*)\)\[datum\.value\] \|\| ''$/) ?? [];
  if (labels) {  // the last one always among them; the year of one left out goes to the next
    const lines = JSON.parse(labels);
    const named = x.scale.domain.filter(period => lines[period]);
    const step = Math.ceil(named.length / 6);
    let year = [];
    named.forEach((period, place) => {
      const [name, ...more] = lines[period];
      if (more.length) year = more;
      if ((named.length - 1 - place) % step) delete lines[period];
      else [lines[period], year] = [[name, ...year], []];
    });
    x.axis.labelExpr = `(${JSON.stringify(lines)})[datum.value] || ''`;
  }
  spec.layer = spec.layer?.filter(layer => !layer.name?.startsWith('counts'));
  const axes = spec.layer?.map(layer => layer.encoding?.x?.axis).filter(axis => axis?.tickCount) ?? [];
  const grounds = new Map();
  for (const layer of spec.layer ?? []) {
    const {mark, encoding} = layer;
    const legend = encoding?.color?.legend;
    if (legend?.values) {  // from right to left; in rows of two each pair is turned
      const first = [...legend.values].reverse();
      legend.values = first.map((value, place) => first[place ^ 1] ?? value);
    }
    if (layer.name?.startsWith('shares')) {  // upright above their bars
      Object.assign(mark, {angle: 270, align: 'left', baseline: 'middle', dx: 4, dy: 0, fontSize: 10});
      spec.padding.top = 36;
      spec.height = 260;
    }
    if (encoding?.text?.field !== 'beside') continue;
    Object.assign(mark, {dx: 0, dy: -13});  // above its line instead of beside it
    Object.assign(encoding, {x: {value: isRtl ? 'width' : 0}, text: {field: 'above', type: 'nominal'}});
    const above = "datum.name + '  ' + datum.beside";
    // On a ground of its own, as it may cross the line of all together.
    grounds.set(layer, {...layer, mark: {...mark, stroke: 'white', strokeWidth: 6, strokeJoin: 'round'}});
    spec.transform = [{calculate: isRtl ? `'\u2067' + ${above} + '\u2069'` : above, as: 'above'}];
    spec.encoding.y.axis.labels = false;
    spec.padding[end] = 12;
    spec.height = 42 * spec.encoding.y.scale.domain.length + 50;
  }
  spec.layer = spec.layer?.flatMap(layer => grounds.has(layer) ? [grounds.get(layer), layer] : [layer]);
  for (const axis of axes) Object.assign(axis, {tickCount: 3, labels: spec.padding[end] < 60});  // else figures stand beside
}

// Puts a live chart in the place of each picture; whatever fails leaves the picture where it is.
const shared = [];
// What charts have in common stands once; see report/packing.py.
const whole = (value) => {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(whole);
  if ('$' in value) return structuredClone(shared[value.$]);
  if ('$keys' in value) {
    const keys = whole(value.$keys);
    return whole(value.$rows).map((row) => Object.fromEntries(keys.map((key, place) => [key, row[place]])));
  }
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key.replace(/^\$/, ''), whole(part)]));
};
for (const one of JSON.parse(document.getElementById('shared').textContent)) shared.push(whole(one));
for (const script of document.querySelectorAll('figure.chart > script')) {
  const picture = script.previousElementSibling;
  const still = picture.querySelector('svg');
  const live = document.createElement('div');
  live.className = 'live';
  live.ariaHidden = 'true';  // the picture around it is described; Vega's own roles have no names
  picture.append(live);
  const spec = whole(JSON.parse(script.textContent));
  spec.config = {...spec.config, aria: false, font: getComputedStyle(document.body).fontFamily};
  if (typeof spec.width === 'number') {  // a plain chart follows the width of the page
    spec.width = 'container';
    spec.height = Math.max(still.getBoundingClientRect().height, spec.height || 240);
    spec.autosize = {type: 'fit', contains: 'padding'};
    if (picture.clientWidth < 480) narrow(spec);
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
