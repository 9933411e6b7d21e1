/** Reads the timelines under the pointer, and offers the report as a file. The page is whole without it. */
export const script = `
const json = (id) => document.getElementById(id)?.textContent ?? '';
const report = json('report');
const download = document.getElementById('download');
if (report && download) {
  download.href = URL.createObjectURL(new Blob([report], { type: 'application/json' }));
  download.hidden = false;
}
const { spanMs, charts } = JSON.parse(json('readout') || '{"spanMs":0,"charts":{}}');
const figures = Object.keys(charts).map((id) => document.getElementById(id)).filter(Boolean);
const values = new Map(figures.map((figure) => [figure, [...figure.querySelectorAll('.legend b')].map((b) => [b, b.textContent])]));
const clock = (ms) => {
  const s = Math.round(ms / 1000);
  const two = (n) => String(n).padStart(2, '0');
  const [h, m] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
  return h > 0 ? h + ':' + two(m) + ':' + two(s % 60) : m + ':' + two(s % 60);
};
const nearest = (at, ms) => {
  let [low, high] = [0, at.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (at[middle] < ms) low = middle + 1;
    else high = middle;
  }
  return low > 0 && ms - at[low - 1] < at[low] - ms ? low - 1 : low;
};
const read = (share) => {
  for (const figure of figures) {
    const cursor = figure.querySelector('.cursor');
    cursor.setAttribute('x1', share * 100 + '%');
    cursor.setAttribute('x2', share * 100 + '%');
    figure.classList.add('read');
    values.get(figure).forEach(([b], index) => {
      const series = charts[figure.id][index];
      b.textContent = (series.says[nearest(series.at, share * spanMs)] ?? '–') + ' at ' + clock(share * spanMs);
    });
  }
};
const rest = () => {
  for (const figure of figures) {
    figure.classList.remove('read');
    for (const [b, text] of values.get(figure)) b.textContent = text;
  }
};
for (const figure of figures) {
  const plot = figure.querySelector('.plot');
  plot.addEventListener('pointermove', (event) => {
    const { left, width } = plot.getBoundingClientRect();
    read(Math.min(1, Math.max(0, (event.clientX - left) / width)));
  });
  plot.addEventListener('pointerleave', rest);
}
`
