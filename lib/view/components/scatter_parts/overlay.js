// What lies above the points: lines from the query to its neighbours with their ranks, and the shape being drawn.

const [LABEL_WIDTH, LABEL_HEIGHT, LABEL_RISE] = [16, 13, 9]; // px

// The labels that can be read, as [index, left, top]: one that would cover an earlier label is left out.
export function readableLabels(positions) {
  const labels = [];
  positions.forEach(([left, top], i) => {
    const isCovered = labels.some(([, x, y]) => Math.abs(x - left) < LABEL_WIDTH && Math.abs(y - top) < LABEL_HEIGHT);
    if (!isCovered) labels.push([i, left, top]);
  });
  return labels;
}

function ring(pen, [left, top], radius, width) {
  pen.lineWidth = width;
  pen.beginPath();
  pen.arc(left, top, radius, 0, 7);
  pen.stroke();
}

function drawRanks(pen, positions, style) {
  pen.font = "600 12px sans-serif";
  pen.textAlign = "center";
  pen.lineWidth = 3;
  pen.lineJoin = "round";
  pen.strokeStyle = style.getPropertyValue("--st-background-color");
  pen.fillStyle = style.getPropertyValue("--st-text-color");
  for (const [i, left, top] of readableLabels(positions)) {
    pen.strokeText(String(i + 1), left, top - LABEL_RISE);
    pen.fillText(String(i + 1), left, top - LABEL_RISE);
  }
}

function drawLines(pen, from, positions) {
  for (const to of positions) {
    pen.globalAlpha = 0.7;
    pen.lineWidth = 1.6;
    pen.beginPath();
    pen.moveTo(...from);
    pen.lineTo(...to);
    pen.stroke();
    pen.globalAlpha = 1;
    ring(pen, to, 6, 1.6);
  }
  ring(pen, from, 10, 3);
}

function drawOutline(pen, outline) {
  pen.lineWidth = 1.6;
  pen.setLineDash([5, 4]);
  pen.beginPath();
  outline.forEach((corner, i) => {
    if (i) pen.lineTo(...corner);
    else pen.moveTo(...corner);
  });
  pen.closePath();
  pen.stroke();
  pen.globalAlpha = 0.12;
  pen.fill();
  pen.globalAlpha = 1;
  pen.setLineDash([]);
}

export function drawOverlay(pen, chart) {
  const { lines, ink } = chart.state.data;
  const ratio = chart.ratio();
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, chart.size.width, chart.size.height);
  pen.strokeStyle = pen.fillStyle = ink;
  if (lines) {
    const positions = lines.ends.map(([x, y]) => chart.screen(x, y));
    drawLines(pen, chart.screen(...lines.start), positions);
    drawRanks(pen, positions, getComputedStyle(chart.plot));
    pen.strokeStyle = pen.fillStyle = ink;
  }
  if (chart.state.outline) drawOutline(pen, chart.state.outline);
}
