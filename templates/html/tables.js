// Lets a reader sort a table by any column: the first click puts the largest figure or the first word on top, what is undefined stays last.
for (const table of document.querySelectorAll('table[data-sortable]')) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  const words = new Intl.Collator(document.documentElement.lang, {numeric: true, ignorePunctuation: true});
  heads.forEach((head, place) => {
    if (!head.textContent.trim()) return;  // what has no name is no button
    const cell = row => row.cells[place];
    const isNumber = [...body.rows].some(row => cell(row).dataset.key);
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener('click', () => {
      const first = isNumber ? 'descending' : 'ascending';
      const order = head.ariaSort === first ? (isNumber ? 'ascending' : 'descending') : first;
      const sign = order === 'ascending' ? 1 : -1;
      const key = row => cell(row).dataset.key ? cell(row).dataset.key * sign : Infinity;
      const compare = isNumber
        ? (a, b) => key(a) === key(b) ? 0 : key(a) - key(b)
        : (a, b) => sign * words.compare(cell(a).textContent, cell(b).textContent);
      heads.forEach(other => other.removeAttribute('aria-sort'));
      head.ariaSort = order;
      body.append(...[...body.rows].sort(compare));
    });
  });
}
