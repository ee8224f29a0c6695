// The interactive timeline: coroutines above, threads and whoever else ran the program below, on one axis.
//
// One file without imports, so that it runs in every front end and inside a saved page, and asks for
// nothing over a network. What it draws comes as binary columns (see `source.py`); where there are too many
// bars to send, it shows the picture it has, scaled, and asks for a sharper one.
//
// Two rules hold it up. Bars are painted into a buffer of pixels, so that the work of a frame is bounded by the
// size of the picture and not by the number of bars. And whatever came from the user's program is
// text: it goes through textContent and fillText, and never through markup.

const STATES = ["ready", "running", "waiting", "done", "failed", "cancelled", "left over"];
const READY = 0, RUNNING = 1, WAITING = 2, FAILED = 4, CANCELLED = 5, LEFT_OVER = 6;
const BY_HAND = 1, DAEMON = 2, BODY = 4;
const EDGE_KINDS = ["spawn", "join", "message", "other", "send"];

// The colours and the heights are those of palette.py.
const LIGHT = {
  running: "#0a5c99", active: "#5a97c5", ready: "#efa21f", waits: ["#c6ccd2", "#8fcdb2", "#cf9fc4"],
  otherWaits: "#868e96", notBegun: "#e9e2d0", failed: "#c1121f", ink: "#1c2126", faint: "#5b646c",
  grid: "#e4e7ea", paper: "#ffffff", lane: "#f5f6f8", mark: "#6b2fa0", line: "#cfd4d9", focus: "#0a5c99",
};
const DARK = {
  running: "#7cc4ff", active: "#4a8fc4", ready: "#e08f12", waits: ["#6f7983", "#3f8f72", "#a86a98"],
  otherWaits: "#8f99a3", notBegun: "#7a7252", failed: "#ff6b6b", ink: "#eceff1", faint: "#a3adb6",
  grid: "#2a3036", paper: "#111418", lane: "#2a2f36", mark: "#c7a0f2", line: "#3a424a", focus: "#8ccbff",
};
const HEIGHTS = [0.56, 0.86, 0.32];
const NOT_BEGUN = "not begun", OTHER = "other waits";

const AXIS = 24, CAPTION = 24, FLAG = 15, FLAG_LINES = 3, GAP = 10, BAR_RIGHT = 12, MINI = 46;
const TALLEST = 30; // pixels: the height of a row at most
const FEW_PIXELS = 4; // a line this high shows bars of its own; lower ones are mixed
const FUNCTION = 4; // the height of a function's line, in rows
const CELL = 2; // pixels: the size of a cell of the mixture
const FEW_ARROWS = 400;
const MOST_MARKERS = 3000;
const MOST_COLUMNS = 12; // coroutines side by side in step mode
const FEW_FRAMES = 3; // more of the same function in the same line are one
const DEBOUNCE = 70; // ms before the kernel is asked
const PATIENCE = 30000; // ms until it is said that the kernel does not answer

// ---------------------------------------------------------------- text

function number(value) {
  if (Math.abs(value) >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(3)));
}

// Who takes turns is switched; of threads their resumptions are told: when the system switched them nobody saw.
function switched(side, count) { return side.takesTurns ? counted(count, "switch", "switches") : counted(count, "resumption"); }

function counted(value, noun, plural = `${noun}s`) { return `${number(value)} ${value === 1 ? noun : plural}`; }

function duration(seconds) {
  if (!Number.isFinite(seconds)) return "an unknown time";
  if (seconds <= 0) return "0 s";
  if (seconds >= 99.5) return `${Math.round(seconds).toLocaleString("en-US")} s`;
  if (seconds >= 0.995) return `${Number(seconds.toPrecision(3))} s`;
  if (seconds >= 0.0995) return `${seconds.toFixed(2)} s`;
  if (seconds * 1e3 >= 0.9995) return `${Number((seconds * 1e3).toPrecision(3))} ms`;
  if (seconds * 1e6 >= 0.9995) return `${Number((seconds * 1e6).toPrecision(3))} µs`;
  return `${Math.round(seconds * 1e9)} ns`;
}

function percent(share) {
  if (share > 0 && share < 0.01) return "under 1 %";
  if (share > 0.99 && share < 1) return "over 99 %";
  return `${Math.round(share * 100)} %`;
}

// A moment on the axis, with as many digits as a step of the axis needs, in a unit for ten times `size`.
function moment(seconds, step, size = step) {
  const [scale, unit] = size >= 0.1 ? [1, "s"] : size >= 1e-4 ? [1e3, "ms"] : size >= 1e-7 ? [1e6, "µs"] : [1e9, "ns"];
  const digits = Math.max(0, Math.min(9, Math.ceil(-Math.log10(step * scale) - 1e-9)));
  return `${(seconds * scale + 0).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits })} ${unit}`;
}

function niceStep(span, most) {
  const rough = span / Math.max(most, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  for (const factor of [1, 2, 5]) if (power * factor >= rough) return power * factor;
  return power * 10;
}

// Heights for bands that want `natural`, with room for `most` together: who wants little gets it, the others share the rest.
function sharedOut(natural, most) {
  const heights = new Array(natural.length);
  let left = most, waiting = natural.length;
  for (const i of natural.map((_, at) => at).sort((a, b) => natural[a] - natural[b])) {
    heights[i] = Math.min(natural[i], left / waiting--);
    left -= heights[i];
  }
  return heights;
}

function clamp(value, low, high) { return value < low ? low : value > high ? high : value; }

// Make an element. Children that are strings become text, whatever they contain.
function h(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(properties || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "class") element.className = value;
    else if (key === "value") element.value = value;
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  for (const child of children.flat(9)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(typeof child === "object" ? child : document.createTextNode(String(child)));
  }
  return element;
}

// ---------------------------------------------------------------- columns

const ARRAYS = { i32: Int32Array, u8: Uint8Array, i8: Int8Array, f32: Float32Array, f64: Float64Array };

function typed(buffer, type) {
  const Kind = ARRAYS[type];
  const size = Kind.BYTES_PER_ELEMENT;
  const [whole, offset, bytes] = buffer instanceof ArrayBuffer
    ? [buffer, 0, buffer.byteLength] : [buffer.buffer, buffer.byteOffset, buffer.byteLength];
  const length = Math.floor(bytes / size);
  // What comes over the wire need not be aligned.
  if (offset % size) return new Kind(whole.slice(offset, offset + length * size));
  return new Kind(whole, offset, length);
}

function columnsOf(described, buffers) {
  const out = {};
  for (const [name, { buffer, type }] of Object.entries(described || {})) {
    if (buffers[buffer] !== undefined) out[name] = typed(buffers[buffer], type);
  }
  return out;
}

// Bars of many rows, sorted by row and then by time; `start` says where each row's begin.
class Bars {
  constructor(columns, rows) {
    const nothing = new Int32Array(0);
    this.row = columns["bar.row"] || columns.row || nothing;
    this.state = columns["bar.state"] || columns.state || new Uint8Array(0);
    this.begin = columns["bar.begin"] || columns.begin || new Float64Array(0);
    this.end = columns["bar.end"] || columns.end || new Float64Array(0);
    this.sbegin = columns["bar.sbegin"] || columns.sbegin || this.begin;
    this.send = columns["bar.send"] || columns.send || this.end;
    this.reason = columns["bar.reason"] || columns.reason || new Int32Array(this.row.length).fill(-1);
    this.length = this.row.length;
    this.start = new Int32Array(rows + 1);
    for (let i = 0; i < this.length; i++) this.start[this.row[i] + 1]++;
    for (let r = 0; r < rows; r++) this.start[r + 1] += this.start[r];
  }

  begins(axis) { return axis === "time" ? this.begin : this.sbegin; }

  ends(axis) { return axis === "time" ? this.end : this.send; }

  // The first bar of a row that ends after x; `start[row + 1]` if there is none.
  after(row, x, axis) {
    const ends = this.ends(axis);
    let low = this.start[row], high = this.start[row + 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ends[middle] > x) high = middle; else low = middle + 1;
    }
    return low;
  }
}

class Side {
  constructor(meta, buffers, index) {
    this.meta = meta;
    this.index = index;
    const columns = columnsOf(meta.columns, buffers);
    const column = (name, Kind, value) => columns[name] || new Kind(this.rows).fill(value);
    this.rows = Math.max(0, meta.rows | 0);
    this.unit = meta.unit || "coroutine";
    this.seconds = Number.isFinite(meta.seconds) ? meta.seconds : 0;
    this.switches = meta.switches || 0;
    this.names = meta.names || [];
    this.reasons = (meta.reasons || []).map((reason) => ({ ...reason, verb: reason.verb || NOT_BEGUN }));
    this.marks = meta.marks || [];
    this.slow = meta.slow || [];
    this.base = column("row.base", Int32Array, 0);
    this.number = column("row.number", Int32Array, 1);
    this.parent = column("row.parent", Int32Array, -1);
    this.final = column("row.final", Int8Array, -1);
    this.born = column("row.born", Float64Array, 0);
    this.ended = column("row.ended", Float64Array, NaN);
    this.running = column("row.running", Float32Array, 0);
    this.ready = column("row.ready", Float32Array, 0);
    this.waiting = column("row.waiting", Float32Array, 0);
    this.longest = column("row.longest", Float32Array, 0);
    this.resumptions = column("row.resumptions", Int32Array, 0);
    this.flags = column("row.flags", Uint8Array, 0);
    this.turn = columns["row.turn"] || null;
    this.cellsMode = meta.mode === "cells";
    this.bars = this.cellsMode ? null : new Bars(columns, this.rows);
    this.edges = columns["edge.from"] ? {
      from: columns["edge.from"], to: columns["edge.to"], time: columns["edge.time"],
      switch: columns["edge.switch"], kind: columns["edge.kind"],
    } : null;
    this.path = columns["path.row"] && columns["path.row"].length ? {
      row: columns["path.row"], begin: columns["path.begin"], end: columns["path.end"],
      sbegin: columns["path.sbegin"], send: columns["path.send"],
    } : null;
    this.empty = meta.empty || (this.rows ? "" : `no ${this.unit} ran`);
    this.called = meta.name || "coroutines";
    this.takesTurns = meta.takes_turns !== false;
  }

  name(row) {
    if (row < 0 || row >= this.rows) return "nobody";
    const base = String(this.names[this.base[row]] ?? "?");
    return this.number[row] > 1 ? `${base}-${this.number[row]}` : base;
  }

  length(axis) { return axis === "time" ? this.seconds : this.switches; }

  // Where on the axis something happened whose time is known, in `row`.
  at(axis, time, row) {
    if (axis === "time") return time;
    const bars = this.bars;
    if (!bars || row < 0 || row >= this.rows) return NaN;
    const i = Math.min(bars.after(row, time, "time"), bars.start[row + 1] - 1);
    if (i < bars.start[row]) return NaN;
    return time >= bars.end[i] ? bars.send[i] : bars.sbegin[i];
  }
}

// ---------------------------------------------------------------- the order of the rows

// What stands on which line. A line is one row, or a function with all its rows; `rows` and `start` list them.
function arrange(side, { order, text, state, folded, opened }) {
  const n = side.rows;
  const wanted = (text || "").trim().toLowerCase();
  const keep = new Uint8Array(n).fill(1);
  let hits = n;
  if (wanted || state >= -1) {
    hits = 0;
    const bases = side.names.map((name) => String(name).toLowerCase());
    for (let row = 0; row < n; row++) {
      const ok = (!(state >= -1) || side.final[row] === state)
        && (!wanted || bases[side.base[row]]?.includes(wanted) || side.name(row).toLowerCase().includes(wanted));
      keep[row] = ok ? 1 : 0;
      hits += keep[row];
    }
  }
  const filtered = hits < n;
  const lineOf = new Int32Array(n).fill(-1);
  if (order === "function") return { keep, ...byFunction(side, keep, hits, lineOf, opened) };
  let depth = null, kids = null, sequence;
  if (order === "tree") {
    ({ sequence, depth, kids } = byTree(side, keep, filtered, folded));
  } else {
    sequence = new Int32Array(hits);
    for (let row = 0, i = 0; row < n; row++) if (keep[row]) sequence[i++] = row;
    if (order === "wait") {
      sequence.sort((a, b) => side.longest[b] - side.longest[a] || a - b);
    } else if (order === "name") {
      const places = side.names.map((name, i) => [String(name), i]).sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
      const rank = new Int32Array(side.names.length);
      places.forEach(([, i], place) => { rank[i] = place; });
      sequence.sort((a, b) => rank[side.base[a]] - rank[side.base[b]] || side.number[a] - side.number[b] || a - b);
    }
  }
  const count = sequence.length;
  const start = new Int32Array(count + 1);
  for (let line = 0; line < count; line++) { lineOf[sequence[line]] = line; start[line + 1] = line + 1; }
  return { keep, count, lineOf, start, rows: sequence, depth, kids, group: null, hits, grouped: false };
}

// How high all lines are together, in rows.
function heightOf(lines) { return lines.units ? lines.units[lines.count] : lines.count; }

function byTree(side, keep, filtered, folded) {
  const n = side.rows;
  // A line that is shown shows its ancestors too.
  const shown = keep.slice();
  if (filtered) {
    for (let row = 0; row < n; row++) {
      if (!keep[row]) continue;
      for (let up = side.parent[row], i = 0; up >= 0 && up < n && !shown[up] && i < n; up = side.parent[up], i++) shown[up] = 1;
    }
  }
  const first = new Int32Array(n).fill(-1), next = new Int32Array(n).fill(-1), kids = new Int32Array(n);
  const roots = [];
  for (let row = n - 1; row >= 0; row--) {
    if (!shown[row]) continue;
    const parent = side.parent[row];
    if (parent >= 0 && parent < n && parent !== row) { next[row] = first[parent]; first[parent] = row; kids[parent]++; } else roots.push(row);
  }
  roots.reverse();
  const sequence = [], depth = [], seen = new Uint8Array(n);
  const stack = [];
  for (const root of roots) {
    stack.push(root, 0);
    while (stack.length) {
      const deep = stack.pop(), row = stack.pop();
      if (seen[row]) continue;
      seen[row] = 1;
      sequence.push(row);
      depth.push(Math.min(deep, 255));
      if (folded.has(row)) continue;
      const below = [];
      for (let kid = first[row]; kid >= 0; kid = next[kid]) below.push(kid);
      for (let i = below.length - 1; i >= 0; i--) stack.push(below[i], deep + 1);
    }
  }
  return { sequence: Int32Array.from(sequence), depth: Uint8Array.from(depth), kids };
}

function byFunction(side, keep, hits, lineOf, opened) {
  const members = new Map();
  for (let row = 0; row < side.rows; row++) {
    if (!keep[row]) continue;
    const base = side.base[row];
    if (!members.has(base)) members.set(base, []);
    members.get(base).push(row);
  }
  const rows = [], start = [0], group = [], depth = [];
  for (const [base, own] of members) {
    const alone = own.length === 1;
    const line = group.length;
    group.push(alone ? -1 : base);
    depth.push(0);
    for (const row of own) { rows.push(row); lineOf[row] = line; }
    start.push(rows.length);
    if (alone || !opened.has(base)) continue;
    for (const row of own) {
      lineOf[row] = group.length;
      group.push(-1);
      depth.push(1);
      rows.push(row);
      start.push(rows.length);
    }
  }
  // A whole function is as high as some rows, where we paint it; pictures from the kernel have lines of one height.
  const units = side.cellsMode ? null : new Float32Array(group.length + 1);
  if (units) group.forEach((base, line) => { units[line + 1] = units[line] + (base >= 0 ? FUNCTION : 1); });
  return {
    units, count: group.length, lineOf, start: Int32Array.from(start), rows: Int32Array.from(rows),
    depth: Uint8Array.from(depth), kids: null, group: Int32Array.from(group), hits, grouped: members.size < hits,
  };
}

// ---------------------------------------------------------------- pixels

function rgb(colour) {
  return [parseInt(colour.slice(1, 3), 16), parseInt(colour.slice(3, 5), 16), parseInt(colour.slice(5, 7), 16)];
}

// All machines that browsers run on are little-endian: red comes first in memory.
function packed([r, g, b], alpha = 255) { return ((alpha << 24) | (b << 16) | (g << 8) | r) >>> 0; }

class Raster {
  resize(width, height) {
    if (!this.canvas) {
      this.canvas = document.createElement("canvas");
      this.context = this.canvas.getContext("2d", { willReadFrequently: true });
    }
    if (this.width !== width || this.height !== height) {
      this.width = this.canvas.width = width;
      this.height = this.canvas.height = height;
      this.image = this.context.createImageData(width, height);
      this.pixels = new Uint32Array(this.image.data.buffer);
    }
    return this;
  }

  clear() { this.pixels.fill(0); }

  done() { this.context.putImageData(this.image, 0, 0); return this.canvas; }

  fill(x0, x1, y0, y1, colour) {
    const { width, height, pixels } = this;
    if (x0 < 0) x0 = 0;
    if (x1 > width) x1 = width;
    if (y0 < 0) y0 = 0;
    if (y1 > height) y1 = height;
    if (x1 <= x0) return;
    if (x1 - x0 === 1) {
      for (let y = y0, i = y0 * width + x0; y < y1; y++, i += width) pixels[i] = colour;
    } else {
      for (let y = y0, i = y0 * width; y < y1; y++, i += width) pixels.fill(colour, i + x0, i + x1);
    }
  }
}

// Where on a line, top to bottom, a state of some height begins and ends.
function band(top, bottom, share) {
  const room = bottom - top;
  const high = Math.max(1, Math.round(room * share));
  const y0 = top + Math.round((room - high) / 2);
  return [y0, y0 + high];
}

// Paint one row's bars. Bars narrower than a pixel are summed up per column of pixels: the state that takes
// most of it is drawn, and who ran in it is always seen, higher the longer it ran.
function paintRow(raster, sums, bars, axis, row, x0, scale, top, bottom, colours, dpr) {
  const { width } = raster;
  const begins = bars.begins(axis), ends = bars.ends(axis);
  const last = bars.start[row + 1];
  const bands = [band(top, bottom, HEIGHTS[0]), band(top, bottom, HEIGHTS[1]), band(top, bottom, HEIGHTS[2])];
  const tick = Math.max(1, Math.round(1.3 * dpr));
  const [ready, running, waiting] = sums;
  let from = width, to = -1;
  for (let i = bars.after(row, x0, axis); i < last; i++) {
    const xa = (begins[i] - x0) * scale;
    if (xa >= width) break;
    const xb = (ends[i] - x0) * scale;
    const state = bars.state[i];
    const pa = xa <= 0 ? 0 : Math.round(xa), pb = xb >= width ? width : Math.round(xb);
    // A bar that is narrower may round to a pixel of its own, and would be as wide as one.
    if (xb - xa >= 1 && (state !== RUNNING || pb - pa >= tick)) {
      const [y0, y1] = bands[state];
      raster.fill(pa, pb, y0, y1, state === WAITING ? colours.reason(bars.reason[i]) : colours.states[state]);
      continue;
    }
    const column = Math.min(pb > pa ? pa : xa <= 0 ? 0 : xa | 0, width - 1);
    const share = Math.max(xb - xa, 1e-6);
    if (state === RUNNING) running[column] += share;
    else if (state === READY) ready[column] += share;
    else { waiting[column] += share; sums.reasons[column] = bars.reason[i]; }
    if (column < from) from = column;
    if (column > to) to = column;
  }
  for (let x = from; x <= to; x++) {
    const ran = running[x], rest = ready[x] + waiting[x];
    if (rest > 0.3 || (rest > 0 && !ran)) {
      const state = ready[x] > waiting[x] ? READY : WAITING;
      const [y0, y1] = bands[state];
      raster.fill(x, x + 1, y0, y1, state === WAITING ? colours.reason(sums.reasons[x]) : colours.states[READY]);
    }
    if (ran > 0) {
      const [y0, y1] = band(top, bottom, HEIGHTS[1] * Math.max(0.74, Math.sqrt(Math.min(1, ran))));
      raster.fill(x, x + tick, y0, y1, colours.states[RUNNING]);
    }
    running[x] = ready[x] = waiting[x] = 0;
  }
}

// How many rows were in which state, in `bins` columns of each of some groups of lines. The channels are ready,
// running, and then the waits that have colours of their own. The same as `Side.shares` in Python: a bar
// adds to the cells it touches in part, and one to those between.
function shares(bars, axis, lines, from, to, groups, x0, x1, bins, slots, room = null) {
  const stride = bins + 1, channels = 2 + slots.count, length = groups * channels * stride;
  const { part, change } = room ? room.floats(length) : { part: new Float32Array(length), change: new Float32Array(length) };
  const size = new Float32Array(groups), used = new Uint8Array(groups * channels);
  const begins = bars.begins(axis), ends = bars.ends(axis);
  const scale = bins / (x1 - x0), per = (to - from) / groups;
  const { state, reason, start } = bars, { table } = slots;
  const whole = x0 <= 0;
  for (let line = from; line < to; line++) {
    const g = Math.min(groups - 1, Math.floor((line - from) / per)), first = g * channels;
    for (let k = lines.start[line]; k < lines.start[line + 1]; k++) {
      const row = lines.rows[k];
      size[g]++;
      const last = start[row + 1];
      for (let i = whole ? start[row] : bars.after(row, x0, axis); i < last; i++) {
        const begin = begins[i];
        if (begin >= x1) break;
        let xa = (begin - x0) * scale, xb = (ends[i] - x0) * scale;
        if (xa < 0) xa = 0;
        if (xb > bins) xb = bins;
        const its = state[i] === WAITING ? table[reason[i] + 1] : state[i];
        used[first + its] = 1;
        const at = (first + its) * stride;
        const ia = xa | 0, ib = xb | 0;
        if (ia === ib) { part[at + ia] += xb - xa > 1e-6 ? xb - xa : 1e-6; continue; }
        part[at + ia] += ia + 1 - xa;
        part[at + ib] += xb - ib;
        change[at + ia + 1] += 1;
        change[at + ib] -= 1;
      }
    }
  }
  for (let channel = 0; channel < used.length; channel++) {
    if (!used[channel]) continue;
    const at = channel * stride;
    let sum = 0;
    for (let i = at; i < at + stride; i++) { sum += change[i]; part[i] += sum; }
  }
  return { groups, bins, stride, channels, part, size, used };
}

// Arrays that are used again in every frame.
class Room {
  floats(length) {
    if (!this.part || this.part.length < length) { this.part = new Float32Array(length); this.change = new Float32Array(length); }
    else { this.part.fill(0, 0, length); this.change.fill(0, 0, length); }
    return this;
  }
}

// The cells of a reply in the same form. Their bytes are shares of the rows of a line of cells; with `turns`, where
// only one row runs at a time, that of running is the share of the time in which one of them did.
function sharesOfReply(bytes, groups, bins, sizes, turns) {
  const stride = bins + 1, channels = bytes.length / (groups * bins);
  const part = new Float32Array(groups * channels * stride);
  for (let g = 0, k = 0; g < groups; g++) {
    const scale = sizes[g] / 255, ran = turns ? 1 / 255 : scale;
    const at = g * channels * stride;
    for (let i = 0; i < bins; i++) {
      for (let c = 0; c < channels; c++, k++) part[at + c * stride + i] = bytes[k] * (c === RUNNING ? ran : scale);
    }
  }
  return { groups, bins, stride, channels, part, size: sizes };
}

// Mix the colours of the states in each cell, for many rows; as `mixed_colours` in rows.py.
function paintMixed(raster, cells, colours, takesTurns) {
  const { groups, bins, stride, channels, part, size, used } = cells;
  const { channelRgb } = colours, running = channelRgb[RUNNING];
  const { pixels } = raster;
  const rest = new Float32Array(bins), red = new Float32Array(bins), green = new Float32Array(bins), blue = new Float32Array(bins);
  let alive = 0, busy = 0;
  for (let pass = 0; pass < 2; pass++) {
    // The fewer cells there are in which somebody ran, the more each of them must stand out.
    const least = 0.04 + 0.61 * (1 - busy / (alive + 1)) ** 2;
    // How crowded it is shows in a part of the lines.
    for (let g = 0, by = pass || groups < 64 ? 1 : 4; g < groups; g += by) {
      if (!size[g]) continue;
      rest.fill(0);
      if (pass) { red.fill(0); green.fill(0); blue.fill(0); }
      for (let c = 0; c < channels; c++) {
        if (c === RUNNING || (used && !used[g * channels + c])) continue;
        const at = (g * channels + c) * stride, [r, v, b] = channelRgb[c];
        if (!pass) for (let i = 0; i < bins; i++) rest[i] += part[at + i];
        else {
          for (let i = 0; i < bins; i++) {
            const share = part[at + i];
            if (share > 0) { rest[i] += share; red[i] += share * r; green[i] += share * v; blue[i] += share * b; }
          }
        }
      }
      const at = (g * channels + RUNNING) * stride, whole = 1 / size[g], ranIn = takesTurns ? 1 : whole;
      if (!pass) {
        for (let i = 0; i < bins; i++) {
          const own = part[at + i];
          if (own > 1e-7) busy++;
          if (own + rest[i] > 1e-7) alive++;
        }
        continue;
      }
      for (let i = 0, pixel = g * raster.width; i < bins; i++, pixel++) {
        const own = part[at + i], other = rest[i];
        if (own + other <= 1e-7) continue;
        const ran = own * ranIn;
        let dark = own > 1e-7 ? least + (1 - least) * Math.sqrt(ran < 1 ? ran : 1) : 0;
        if (other < 1e-6 * own) dark = 1;
        const light = other > 0 ? (1 - dark) / other : 0;
        const full = 0.45 + 0.55 * (own + other) * whole;
        pixels[pixel] = ((((full < 1 ? full * 255 : 255) | 0) << 24) | ((light * blue[i] + dark * running[2] + 0.5) << 16)
          | ((light * green[i] + dark * running[1] + 0.5) << 8) | (light * red[i] + dark * running[0] + 0.5)) >>> 0;
      }
    }
  }
}

// Divide a line's height among the states: who runs at the bottom, then who is ready, then who waits.
function paintStacked(raster, cells, g, x, wide, top, bottom, colours) {
  const { stride, channels, part, size, bins } = cells;
  const inset = bottom - top > 7 ? 1 : 0;
  const base = bottom - inset, room = base - top - inset, each = size[g] ? room / size[g] : 0;
  const first = g * channels * stride;
  for (let i = 0; i < bins; i++) {
    const xa = x + Math.round(i * wide), xb = x + Math.round((i + 1) * wide);
    let y = base;
    for (let slot = 0; slot < channels; slot++) {
      const c = slot === 0 ? RUNNING : slot === 1 ? READY : slot;
      const share = part[first + c * stride + i];
      if (!(share > 1e-7)) continue;
      // Who ran at all is seen.
      const high = c === RUNNING ? Math.max(Math.min(2, room / 3), share * each) : share * each;
      const up = Math.max(y - high, base - room);
      raster.fill(xa, xb, Math.round(up), Math.round(y), colours.channels[c]);
      y = up;
    }
  }
}

// ---------------------------------------------------------------- themes

function isDark(element) {
  const body = document.body, page = document.documentElement;
  const jupyter = body.dataset.jpThemeLight ?? body.getAttribute("data-jp-theme-light");
  if (jupyter === "true") return false;
  if (jupyter === "false") return true;
  if (body.classList.contains("vscode-dark") || body.classList.contains("vscode-high-contrast")) return true;
  if (body.classList.contains("vscode-light")) return false;
  const asked = page.getAttribute("theme") || page.dataset.theme || body.dataset.theme;
  if (asked) return asked.includes("dark");
  for (let at = element; at; at = at.parentElement) {
    // Ours is what we are about to choose.
    if (at.classList.contains("coro-timeline")) continue;
    const parts = getComputedStyle(at).backgroundColor.match(/[\d.]+/g);
    if (parts && parts.length >= 3 && (parts.length < 4 || Number(parts[3]) > 0.5)) {
      return 0.299 * parts[0] + 0.587 * parts[1] + 0.114 * parts[2] < 110;
    }
  }
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

function waitLabel(verb) { return ["waiting", NOT_BEGUN, OTHER].includes(verb) ? verb : `waiting: ${verb}`; }

function waitColour(theme, waits, verb) {
  if (verb === NOT_BEGUN) return theme.notBegun;
  const slot = waits.indexOf(verb);
  return slot >= 0 && slot < theme.waits.length && verb !== OTHER ? theme.waits[slot] : waits.length === 1 ? theme.waits[0] : theme.otherWaits;
}

function coloursOf(theme, waits, side) {
  const ready = rgb(theme.ready), running = rgb(side.takesTurns ? theme.running : theme.active);
  const verbs = waits.length ? waits : ["waiting"];
  const channelRgb = [ready, running, ...verbs.map((verb) => rgb(waitColour(theme, waits, verb)))];
  if (channelRgb.length < 3) channelRgb.push(rgb(theme.waits[0]));
  const channels = channelRgb.map((colour) => packed(colour));
  const other = Math.max(0, verbs.indexOf(OTHER));
  const slot = side.reasons.map((reason) => { const at = verbs.indexOf(reason.verb); return at >= 0 ? at : other; });
  return {
    states: channels.slice(0, 3), channels, channelRgb,
    // By a reason's number plus one: its channel.
    slots: { count: verbs.length, table: Uint8Array.from([0, ...slot], (at) => WAITING + at) },
    reason: (i) => channels[2 + (i >= 0 && i < slot.length ? slot[i] : 0)],
  };
}

const STYLE = `
.coro-timeline { color: var(--coro-ink); background: var(--coro-paper); font: 13px/1.4 var(--jp-ui-font-family, system-ui, sans-serif);
  container-type: inline-size; position: relative; box-sizing: border-box; padding: 4px 0; min-width: 0; width: 100%; }
.coro-timeline *, .coro-timeline *::before { box-sizing: border-box; }
.coro-timeline [hidden] { display: none !important; }
.coro-tools { display: flex; flex-wrap: wrap; gap: 4px 6px; align-items: center; margin: 0 0 6px; }
.coro-tools label { display: inline-flex; align-items: center; gap: 4px; color: var(--coro-faint); font-size: 12px; }
.coro-tools .coro-push { flex: 1 1 0; }
@container (max-width: 430px) { .coro-tools label { font-size: 11px; gap: 2px; } .coro-tools .coro-push { display: none; } .coro-timeline input[type="search"] { width: 82px; } }
.coro-timeline button, .coro-timeline select, .coro-timeline input[type="search"] { font: inherit; font-size: 12px; line-height: 18px; height: 26px;
  color: var(--coro-ink); background: var(--coro-paper); border: 1px solid var(--coro-line); border-radius: 5px; padding: 2px 8px; margin: 0; width: auto; box-shadow: none; cursor: pointer; }
.coro-timeline select { padding: 2px 4px; }
.coro-timeline input[type="search"] { width: 118px; cursor: text; }
.coro-timeline button:hover, .coro-timeline select:hover { background: var(--coro-lane); }
.coro-timeline button[aria-pressed="true"] { background: var(--coro-running); border-color: var(--coro-running); color: var(--coro-paper); }
.coro-timeline button:disabled { opacity: .45; cursor: default; }
.coro-timeline :is(button, select, input, canvas, summary, aside, pre):focus-visible { outline: 2px solid var(--coro-focus); outline-offset: 1px; }
.coro-timeline canvas:focus:not(:focus-visible) { outline: none; }
.coro-body { display: flex; gap: 12px; align-items: stretch; }
.coro-main { flex: 1 1 0; min-width: 0; position: relative; }
.coro-stage { position: relative; overflow: hidden; touch-action: none; }
.coro-stage canvas { position: absolute; left: 0; top: 0; display: block; }
.coro-over { pointer-events: none; }
.coro-mini { display: block; width: 100%; touch-action: none; cursor: grab; margin-top: 4px; }
.coro-tip { position: absolute; z-index: 5; pointer-events: none; max-width: min(360px, 92%); padding: 7px 10px; border-radius: 6px; background: var(--coro-ink);
  color: var(--coro-paper); font-size: 12px; line-height: 1.4; box-shadow: 0 3px 14px #0005; overflow-wrap: anywhere; }
.coro-tip b { display: block; font-size: 12.5px; }
.coro-tip code { display: block; margin-top: 3px; padding: 2px 6px; border-radius: 4px; font: 11.5px/1.45 var(--jp-code-font-family, ui-monospace, "DejaVu Sans Mono", monospace);
  background: color-mix(in srgb, var(--coro-paper) 15%, transparent); color: inherit; white-space: pre-wrap; }
.coro-legend { display: flex; flex-wrap: wrap; gap: 2px 14px; padding: 5px 2px 0; color: var(--coro-faint); font-size: 12px; }
.coro-legend span { display: inline-flex; align-items: center; gap: 5px; }
.coro-legend canvas { width: 20px; height: 14px; flex: none; }
.coro-note { color: var(--coro-faint); font-size: 12px; min-height: 17px; padding: 2px; }
.coro-help { font-size: 12px; color: var(--coro-faint); padding: 6px 10px; margin: 0 0 6px; background: var(--coro-lane); border-radius: 6px; }
.coro-help { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 1px 12px; }
.coro-help > div { display: contents; } .coro-help b { color: var(--coro-ink); }
@container (max-width: 560px) { .coro-help { grid-template-columns: 1fr; } }
.coro-live { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.coro-card { flex: 0 0 min(38%, 400px); min-width: 0; max-height: var(--coro-card-height, 600px); overflow: auto; border: 1px solid var(--coro-line); border-radius: 8px;
  padding: 10px 12px; background: var(--coro-paper); font-size: 12.5px; }
@container (max-width: 760px) { .coro-body { flex-direction: column; } .coro-card { flex: none; } }
.coro-card header { display: flex; gap: 8px; align-items: flex-start; }
.coro-card h3 { margin: 0; font-size: 15px; line-height: 1.35; overflow-wrap: anywhere; flex: 1 1 auto; color: inherit; }
.coro-card h4 { margin: 12px 0 3px; font-size: 12px; font-weight: 600; color: var(--coro-faint); text-transform: none; }
.coro-card p { margin: 2px 0; overflow-wrap: anywhere; }
.coro-state { flex: none; border-radius: 10px; padding: 1px 9px; font-size: 12px; border: 1px solid currentColor; white-space: nowrap; }
.coro-state.coro-bad { color: var(--coro-failed); font-weight: 600; }
.coro-timeline .coro-close { flex: none; width: 26px; padding: 0; }
.coro-timeline pre { margin: 2px 0; padding: 6px 8px; max-height: 220px; overflow: auto; white-space: pre-wrap; overflow-wrap: anywhere; background: var(--coro-lane); color: var(--coro-ink);
  border-radius: 5px; font: 12px/1.45 var(--jp-code-font-family, ui-monospace, "DejaVu Sans Mono", monospace); border: 0; }
.coro-share { display: flex; height: 10px; border-radius: 5px; overflow: hidden; margin: 8px 0 4px; background: var(--coro-lane); }
.coro-share i { display: block; min-width: 1px; }
.coro-card table { border-collapse: collapse; width: 100%; font-size: 12px; table-layout: auto; margin: 0; border: 0; }
.coro-card th, .coro-card td { text-align: left; vertical-align: top; padding: 1px 8px 1px 0; overflow-wrap: anywhere; border: 0; background: none; color: inherit; font-weight: normal; }
.coro-card th { color: var(--coro-faint); }
.coro-card td.coro-word { overflow-wrap: normal; white-space: nowrap; }
.coro-card td.coro-num { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.coro-code { font: 11.5px/1.55 var(--jp-code-font-family, ui-monospace, "DejaVu Sans Mono", monospace); background: var(--coro-lane); border-radius: 5px; overflow-x: auto; padding: 3px 0; }
.coro-code div { display: flex; white-space: pre; padding: 0 6px 0 0; border-left: 3px solid transparent; width: max-content; min-width: 100%; }
.coro-code div > span:first-child { flex: none; width: 34px; text-align: right; padding-right: 9px; color: var(--coro-faint); user-select: none; }
.coro-code .coro-lit { background: color-mix(in srgb, var(--coro-ready) 30%, transparent); border-left-color: var(--coro-ready); font-weight: 600; }
.coro-now .coro-code .coro-lit { background: color-mix(in srgb, var(--coro-running) 26%, transparent); border-left-color: var(--coro-running); }
.coro-frame { margin: 6px 0 10px; } .coro-frame > p { font-size: 12px; color: var(--coro-faint); } .coro-frame > p b { color: var(--coro-ink); }
.coro-locals { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 0 8px; margin: 3px 0 0 6px; font: 12px/1.45 var(--jp-code-font-family, ui-monospace, "DejaVu Sans Mono", monospace); }
.coro-locals > div { display: contents; } .coro-locals span:first-child { color: var(--coro-faint); } .coro-locals span { overflow-wrap: anywhere; }
.coro-steps { margin-top: 8px; border-top: 1px solid var(--coro-line); padding-top: 8px; }
.coro-player { display: flex; flex-wrap: wrap; gap: 4px 6px; align-items: center; }
.coro-player input[type="range"] { flex: 1 1 140px; min-width: 100px; accent-color: var(--coro-running); margin: 0; }
.coro-player output { font-variant-numeric: tabular-nums; color: var(--coro-faint); font-size: 12px; min-width: 20ch; }
.coro-timeline .coro-play { min-width: 64px; }
.coro-columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(250px, 100%), 1fr)); gap: 8px; margin-top: 8px; align-items: start; }
.coro-column { min-width: 0; border: 1px solid var(--coro-line); border-radius: 7px; padding: 6px 8px 8px; font-size: 12px; }
.coro-column.coro-now { border-color: var(--coro-running); box-shadow: inset 0 3px 0 var(--coro-running); }
.coro-column header { display: flex; flex-wrap: wrap; gap: 0 6px; align-items: baseline; margin-bottom: 4px; }
.coro-folded { font-size: 12px; color: var(--coro-faint); margin: 3px 0; }
.coro-column header b { flex: 1 1 auto; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.coro-column header span { color: var(--coro-faint); min-width: 0; overflow-wrap: anywhere; }
.coro-column p { margin: 3px 0 1px; color: var(--coro-faint); overflow-wrap: anywhere; }
`;

// ---------------------------------------------------------------- the view

const ORDERS = [["spawn", "spawn order"], ["tree", "tree"], ["wait", "longest wait"], ["name", "name"], ["function", "per function"]];
const KEYS = [
  ["wheel, + −", "zoom in time around the pointer (over the names: taller and lower rows)"],
  ["drag, ← →, shift + wheel", "move in time; drag moves the rows too"],
  ["↑ ↓, Page", "go from row to row, so that it is read out; Enter opens its card, Escape closes it"],
  ["[ ]", "lower and taller rows; Alt + wheel moves them"],
  ["0 or F, Home, End", "show everything; go to the beginning, to the end"],
  ["space", "rows as a tree or per function: fold and unfold the row that is in focus"],
  ["A, C", "arrows of who woke whom; the critical path"],
  ["space , .", "step mode: play or pause (where there is nothing to fold), one step back, one step on"],
];

// Front ends have keys of their own: in a notebook a B would make a new cell, and two zeros restart the kernel.
// What is typed here stays here, but for what is meant for all, like Ctrl + S and Shift + Enter.
function ours(event) { return !event.ctrlKey && !event.metaKey && !(event.shiftKey && event.key === "Enter"); }

class Timeline {
  constructor(element, source) {
    const begun = performance.now();
    const { meta, buffers } = source.first;
    this.element = element;
    this.source = source;
    this.meta = meta || {};
    this.sides = (this.meta.sides || []).map((side, i) => new Side(side, buffers || [], i));
    // Which waits have colours of their own: the longest three, the same on both sides (see `waits_of` in side.py).
    this.waits = this.meta.waits || [];
    this.key = Math.random().toString(36).slice(2);
    // Steps are played one by one, and to write them down took longer than what is seen of most.
    this.axis = this.meta.steps?.steps?.length ? "switches" : "time";
    this.filter = { text: "", state: -2 };
    this.order = "spawn";
    // Many bars that are all here: what a function's rows do together says more than a thousand lines.
    if (this.sides.some((side) => side.rows > 200 && !side.cellsMode) && this.sides.every((side) => !side.cellsMode)) this.order = "function";
    this.rows = this.sides.map((side) => ({
      side, top: 0, zoom: 1, folded: new Set(), opened: new Set(), version: 0, raster: new Raster(),
      whole: {}, sharp: null, detail: null, message: "", box: { y: 0, plotY: 0, plotH: 0, flags: 0, height: 0 },
    }));
    // Those in view; with more than two sides one of them may be chosen to stand alone beside the coroutines.
    this.bands = this.rows;
    this.selected = null; this.focused = null; this.hover = null; this.step = null;
    this.arrows = false; this.critical = false; this.askedEdges = new Map();
    this.dirty = { base: false, over: false, mini: false };
    this.stats = { frames: 0, last: 0, worst: 0, base: 0 };
    this.labels = new Map();
    this.room = new Room();
    this.stop = new AbortController();
    this.build();
    this.retheme();
    for (const rows of this.rows) { this.arrangeRows(rows); this.firstPicture(rows); }
    this.x0 = 0; this.x1 = this.full();
    this.watch();
    this.resize();
    this.stats.built = performance.now() - begun;
    // For tests and for the curious: what is in view, and how long the frames took.
    element.__coro = this;
  }

  // ------------------------------------------------------------ elements

  build() {
    const { sides } = this;
    const on = (target, type, handler, more) => target.addEventListener(type, handler, { signal: this.stop.signal, ...more });
    this.on = on;
    const option = ([value, text]) => h("option", { value }, text);
    const states = new Set();
    for (const side of sides) for (let row = 0; row < side.rows; row++) states.add(side.final[row]);
    this.axisSelect = h("select", { "data-testid": "coro-axis" }, option(["time", "time"]), option(["switches", "switches"]));
    this.axisSelect.value = this.axis;
    this.orderSelect = h("select", { "data-testid": "coro-order" }, ORDERS.map(option));
    this.orderSelect.value = this.order;
    this.besideSelect = h("select", { "data-testid": "coro-beside" }, option(["all", "all"]), sides.slice(1).map((side) => option([String(side.index), side.called])));
    this.textInput = h("input", { type: "search", placeholder: "name", "data-testid": "coro-filter", "aria-label": "Show only rows whose name contains", spellcheck: "false" });
    this.stateSelect = h("select", { "data-testid": "coro-state", "aria-label": "Show only rows that ended in this state" }, option(["-2", "any end"]),
      [...states].sort((a, b) => a - b).map((s) => option([String(s), s < 0 ? "no end" : STATES[s]])));
    const button = (id, text, label, pressed) => h("button", { type: "button", "data-testid": id, "aria-label": label, title: label, "aria-pressed": pressed }, text);
    this.buttons = {
      out: button("coro-zoom-out", "−", "Zoom out"),
      in: button("coro-zoom-in", "+", "Zoom in"),
      fit: button("coro-fit", "Fit", "Show everything"),
      fitFirst: button("coro-fit-first", "Fit coroutines", "Zoom to the coroutines' time"),
      arrows: button("coro-arrows", "Arrows", "Show who woke whom", "false"),
      critical: button("coro-critical", "Critical path", "Show what the run's length depended on", "false"),
      help: button("coro-help", "?", "Keys and gestures"),
    };
    this.buttons.help.setAttribute("aria-expanded", "false");
    this.tools = h("div", { class: "coro-tools", role: "toolbar", "aria-label": "Timeline" },
      h("label", {}, "Axis", this.axisSelect), h("label", {}, "Rows", this.orderSelect),
      sides.length > 2 ? h("label", {}, "Beside", this.besideSelect) : null,
      h("label", {}, "Find", this.textInput), this.stateSelect, h("span", { class: "coro-push" }),
      this.buttons.arrows, this.buttons.critical, this.buttons.out, this.buttons.in, this.buttons.fit, this.buttons.fitFirst, this.buttons.help);
    this.help = h("div", { class: "coro-help", hidden: true, role: "list" }, KEYS.map(([key, what]) => h("div", { role: "listitem" }, h("b", {}, key), h("span", {}, what))));
    const label = `${this.meta.headline || "Timeline"}. Arrow keys move, plus and minus zoom, Enter opens a coroutine.`;
    this.canvas = h("canvas", { class: "coro-canvas", role: "img", tabindex: "0", "aria-label": label, "data-testid": "coro-canvas" });
    this.context = this.canvas.getContext("2d");
    this.over = h("canvas", { class: "coro-over", "aria-hidden": "true" });
    this.tip = h("div", { class: "coro-tip", role: "tooltip", "data-testid": "coro-tip", hidden: true });
    this.stage = h("div", { class: "coro-stage" }, this.canvas, this.over);
    this.mini = h("canvas", { class: "coro-mini", "aria-hidden": "true", "data-testid": "coro-mini" });
    this.note = h("div", { class: "coro-note", "data-testid": "coro-note" });
    this.missing = (this.meta.missing || []).map(({ name, why }) => h("div", { class: "coro-note", "data-testid": "coro-missing" }, `${name}: no run to compare with: ${why}`));
    this.legend = h("div", { class: "coro-legend", "data-testid": "coro-legend" });
    this.live = h("div", { class: "coro-live", "aria-live": "polite", "data-testid": "coro-live" });
    this.card = h("aside", { class: "coro-card", tabindex: "-1", "aria-label": "Coroutine", "data-testid": "coro-card", hidden: true });
    this.main = h("div", { class: "coro-main" }, this.stage, this.mini, this.legend, this.note, this.missing, this.tip);
    this.root = h("div", { class: "coro-timeline", "data-testid": "coro-timeline" }, h("style", {}, STYLE),
      this.tools, this.help, h("div", { class: "coro-body" }, this.main, this.card), this.live);
    const { steps } = this.meta;
    if (steps && steps.steps && steps.steps.length) {
      this.stepper = new Stepper(this, steps);
      this.root.insertBefore(this.stepper.root, this.live);
    }
    this.buttons.arrows.disabled = !sides.some((side) => side.cellsMode || (side.edges && side.edges.from.length));
    this.buttons.critical.disabled = !sides.some((side) => side.path);
    this.buttons.critical.hidden = this.buttons.critical.disabled;
    this.offer();
    this.element.append(this.root);

    on(this.axisSelect, "change", () => this.setAxis(this.axisSelect.value));
    on(this.orderSelect, "change", () => this.setOrder(this.orderSelect.value));
    on(this.besideSelect, "change", () => this.setBeside(this.besideSelect.value));
    on(this.textInput, "input", () => { this.filter.text = this.textInput.value; this.rearrange(); });
    on(this.stateSelect, "change", () => { this.filter.state = Number(this.stateSelect.value); this.rearrange(); });
    on(this.buttons.in, "click", () => this.zoom(0.5));
    on(this.buttons.out, "click", () => this.zoom(2));
    on(this.buttons.fit, "click", () => this.fit());
    on(this.buttons.fitFirst, "click", () => this.show(0, this.full(0)));
    on(this.buttons.arrows, "click", () => this.toggle("arrows"));
    on(this.buttons.critical, "click", () => this.toggle("critical"));
    on(this.buttons.help, "click", () => {
      this.help.hidden = !this.help.hidden;
      this.buttons.help.setAttribute("aria-expanded", String(!this.help.hidden));
    });
    on(this.canvas, "keydown", (event) => this.keyed(event));
    on(this.root, "keydown", (event) => {
      if (event.key === "Escape" && !this.card.hidden) { this.closeCard(); event.preventDefault(); }
      if (ours(event)) event.stopPropagation();
    });
    // JupyterLab hears keys after us, Notebook 7 before us; that one leaves alone what has this attribute.
    on(window, "keydown", (event) => {
      if (this.root.contains(event.target)) event.target.toggleAttribute("data-lm-suppress-shortcuts", ours(event));
    }, { capture: true });
    on(this.canvas, "focus", () => { this.want("over"); });
    on(this.canvas, "blur", () => { this.want("over"); });
    this.gestures();
  }

  // What the tools can do with the bands in view.
  offer() {
    // Only where the coroutines take a small part of the axis does it bring anything.
    this.buttons.fitFirst.hidden = this.bands.length < 2 || this.full(0) > 0.75 * this.full();
    const fixed = this.source.saved && this.bands.some(({ side }) => side.cellsMode);
    for (const one of [this.axisSelect, this.orderSelect, this.textInput, this.stateSelect]) {
      one.disabled = fixed;
      one.title = fixed ? "A run this long can only be arranged in the notebook, with its kernel." : "";
    }
  }

  watch() {
    // Front ends draw us before we are in the page: only now it is known how things look there.
    this.sizes = new ResizeObserver(() => { this.retheme(); this.resize(); });
    this.sizes.observe(this.stage);
    this.themes = new MutationObserver(() => { this.retheme(); this.want("base"); });
    const look = { attributes: true, attributeFilter: ["class", "theme", "data-theme", "data-jp-theme-light", "data-jp-theme-name", "data-vscode-theme-kind", "style"] };
    this.themes.observe(document.body, look);
    this.themes.observe(document.documentElement, look);
    this.on(matchMedia("(prefers-color-scheme: dark)"), "change", () => { this.retheme(); this.want("base"); });
    const resolution = () => {
      if (this.stop.signal.aborted) return;
      this.resize();
      matchMedia(`(resolution: ${devicePixelRatio}dppx)`).addEventListener("change", resolution, { once: true, signal: this.stop.signal });
    };
    matchMedia(`(resolution: ${devicePixelRatio}dppx)`).addEventListener("change", resolution, { once: true, signal: this.stop.signal });
  }

  destroy() {
    this.stop.abort();
    this.sizes.disconnect();
    this.themes.disconnect();
    cancelAnimationFrame(this.frame);
    clearTimeout(this.asking);
    this.stepper?.pause();
    this.root.remove();
    if (this.element.__coro === this) delete this.element.__coro;
  }

  retheme() {
    const theme = isDark(this.element) ? DARK : LIGHT;
    const old = this.theme, paper = this.theme && this.paper;
    this.theme = theme;
    for (const name of ["ink", "faint", "lane", "line", "running", "ready", "failed", "focus"]) this.root.style.setProperty(`--coro-${name}`, theme[name]);
    const jupyter = getComputedStyle(document.body).getPropertyValue("--jp-layout-color1").trim();
    this.root.style.setProperty("--coro-paper", jupyter || theme.paper);
    this.paper = getComputedStyle(this.root).backgroundColor || theme.paper;
    const font = getComputedStyle(this.root).fontFamily || "sans-serif";
    this.font = (size, weight = "") => `${weight} ${size}px ${font}`;
    if (old !== theme) this.source.themed?.(theme === DARK);
    if (old === theme && paper === this.paper) return;
    this.colours = this.sides.map((side) => coloursOf(theme, this.waits, side));
    for (const rows of this.rows) for (const picture of [...Object.values(rows.whole), rows.sharp]) if (picture) picture.image = null;
    this.hatching = null;
    this.miniature = null;
    this.stamps = new Map();
    this.drawLegend();
  }

  // ------------------------------------------------------------ what is in view

  // The length of the axis; a little more than the run, so that what happens at the very end is seen.
  full(side = -1) {
    const chosen = side < 0 ? this.bands.map((rows) => rows.side) : this.sides.slice(side, side + 1);
    const most = Math.max(0, ...chosen.map((one) => one.length(this.axis)).filter(Number.isFinite));
    return (most > 0 ? most : 1) * 1.012;
  }

  least() { return this.axis === "time" ? Math.max(this.full() * 1e-8, 2e-8) : Math.min(3, this.full()); }

  setView(x0, x1) {
    const full = this.full();
    const span = clamp(x1 - x0, this.least(), full);
    x0 = clamp(x0, 0, full - span);
    if (x0 === this.x0 && x0 + span === this.x1) return false;
    this.x0 = x0; this.x1 = x0 + span;
    this.want("base");
    return true;
  }

  // Go there in a few frames, unless the user does not like movement.
  show(x0, x1) {
    const from = [this.x0, this.x1];
    if (matchMedia("(prefers-reduced-motion: reduce)").matches || document.hidden) { this.glide = null; return this.setView(x0, x1); }
    this.glide = { from, to: [x0, x1], begin: performance.now() };
    this.want("base");
    return true;
  }

  target() { return this.glide ? this.glide.to : [this.x0, this.x1]; }

  zoom(factor, at = null, smooth = true) {
    const [x0, x1] = smooth ? this.target() : [this.x0, this.x1];
    const pivot = at ?? (x0 + x1) / 2;
    const full = this.full(), span = clamp((x1 - x0) * factor, this.least(), full);
    const left = clamp(pivot - ((pivot - x0) / (x1 - x0)) * span, 0, full - span);
    if (smooth) return this.show(left, left + span);
    this.glide = null;
    return this.setView(left, left + span);
  }

  pan(share) {
    const [x0, x1] = this.target(), span = x1 - x0, left = clamp(x0 + share * span, 0, this.full() - span);
    this.show(left, left + span);
  }

  fit() {
    for (const rows of this.rows) { rows.zoom = 1; rows.top = 0; }
    this.show(0, this.full());
    this.want("base");
  }

  setAxis(axis) {
    const share = [this.x0 / this.full(), this.x1 / this.full()];
    this.axis = axis === "switches" ? "switches" : "time";
    this.axisSelect.value = this.axis;
    this.glide = null; this.miniature = null;
    this.setView(share[0] * this.full(), share[1] * this.full());
    this.want("base");
  }

  setOrder(order) {
    this.order = order; this.orderSelect.value = order;
    for (const rows of this.rows) { rows.zoom = 1; rows.top = 0; }
    this.rearrange();
  }

  // Show all sides, or the coroutines and one other side, given by its number.
  setBeside(which) {
    const whole = this.x0 <= 0 && this.x1 >= this.full();
    this.besideSelect.value = which;
    this.bands = which === "all" ? this.rows : this.rows.filter(({ side }) => side.index === 0 || String(side.index) === which);
    this.focused = this.hover = this.glide = null;
    this.hideTip();
    if (this.selected && !this.bands.includes(this.rows[this.selected.side])) this.closeCard();
    this.offer();
    // What was looked at stays in view, as far as the axis still reaches.
    this.setView(this.x0, whole ? this.full() : this.x1);
    this.resize();
    this.drawLegend();
    this.want("base");
  }

  rearrange() {
    for (const rows of this.rows) this.arrangeRows(rows);
    this.focused = null;
    this.resize();
    this.want("base");
    const all = this.bands.reduce((sum, rows) => sum + rows.side.rows, 0), hits = this.bands.reduce((sum, rows) => sum + rows.lines.hits, 0);
    if (hits < all) this.say(`${number(hits)} of ${counted(all, "row")}`); else this.say("");
  }

  arrangeRows(rows) {
    rows.lines = arrange(rows.side, { order: this.order, text: this.filter.text, state: this.filter.state, folded: rows.folded, opened: rows.opened });
    rows.version++;
    const bad = [];
    for (let row = 0; row < rows.side.rows; row++) if (rows.lines.lineOf[row] >= 0 && this.badEnd(rows.side, row)) bad.push(row);
    rows.bad = Int32Array.from(bad);
    // What stands over the rows is of those that the filter leaves, folded away or not, or of nobody.
    const left = ({ row }) => !(row >= 0) || rows.lines.keep[row] || rows.lines.lineOf[row] >= 0;
    rows.marks = rows.side.marks.filter(left);
    rows.slow = rows.side.slow.filter(left);
    rows.plain = this.order === "spawn" && rows.lines.hits === rows.side.rows;
    rows.detail = null;
    rows.sharp = null;
  }

  toggle(what) {
    this[what] = !this[what];
    this.buttons[what].setAttribute("aria-pressed", String(this[what]));
    if (what === "arrows" && this.selected) this.askEdges(this.selected);
    if (!this[what]) this.say("");
    this.want("over");
  }

  say(text) { this.note.textContent = text; }

  // ------------------------------------------------------------ sizes

  resize() {
    const width = this.stage.clientWidth;
    if (width < 60) return;
    const dpr = window.devicePixelRatio || 1;
    if (width !== this.width) { this.hover = null; this.hideTip(); }
    const { context } = this;
    context.font = this.font(12);
    let widest = 0;
    for (const { side, lines } of this.bands) {
      for (let line = 0, step = Math.max(1, Math.ceil(lines.count / 60)); line < lines.count; line += step) {
        widest = Math.max(widest, context.measureText(this.labelOf(side, lines, line)).width + 12 * (lines.depth ? lines.depth[line] : 0));
      }
    }
    const indented = this.order === "tree" || this.order === "function" ? 14 : 0;
    this.gutter = Math.round(clamp(widest + 26 + indented, 68, Math.min(190, width * 0.3)));
    this.width = width; this.dpr = dpr;
    this.plotX = this.gutter; this.plotW = Math.max(20, width - this.gutter - BAR_RIGHT);
    const most = clamp((window.innerHeight || 800) * (this.source.saved ? 0.7 : 0.6), 260, 640);
    const usual = this.bands.every(({ lines }) => lines.count <= 8) ? 27 : 22;
    const natural = this.bands.map(({ side, lines }) => (side.empty ? 34 : Math.max(heightOf(lines) * (this.tall(lines) ? 76 : usual), 30)));
    // Many bands may take more of the window, as long as the axis over them stays in view.
    const inWindow = 0.85 * (window.innerHeight || 800) - AXIS - natural.length * (CAPTION + GAP);
    const heights = sharedOut(natural, natural.length > 2 ? Math.max(most, inWindow) : most);
    let y = AXIS;
    this.bands.forEach((rows, i) => {
      const { side, box, marks, slow } = rows;
      const texts = marks.length + Math.min(slow.length, 3);
      box.flags = side.empty ? 0 : Math.min(texts, texts > 4 ? FLAG_LINES : 2) * FLAG + (slow.length ? 9 : 0);
      box.y = y;
      box.plotY = Math.round(y + CAPTION + box.flags);
      box.plotH = Math.round(heights[i]);
      y = box.plotY + box.plotH + GAP;
    });
    if (!this.bands.length) y += 40;
    this.height = Math.round(y);
    this.stage.style.height = `${this.height}px`;
    this.root.style.setProperty("--coro-card-height", `${Math.max(this.height + MINI, 320)}px`);
    for (const canvas of [this.canvas, this.over]) {
      canvas.width = Math.round(width * dpr); canvas.height = Math.round(this.height * dpr);
      canvas.style.width = `${width}px`; canvas.style.height = `${this.height}px`;
    }
    this.mini.width = Math.round(width * dpr); this.mini.height = Math.round(MINI * dpr);
    this.mini.style.height = `${MINI}px`;
    this.miniature = null;
    for (const rows of this.bands) this.settle(rows);
    // At once: a canvas that got another size is blank until it is drawn.
    this.dirty.base = true;
    this.draw();
  }

  // Whether all lines are as high as those of whole functions: see `byFunction`.
  tall(lines) { return lines.grouped && !lines.units; }

  // A line's height, and the rows within bounds.
  settle(rows) {
    const { lines, box } = rows;
    const count = Math.max(heightOf(lines), 1);
    const whole = Math.min(box.plotH / count, this.tall(lines) ? 3 * TALLEST : TALLEST);
    const tallest = Math.max(whole, 34);
    rows.zoom = clamp(rows.zoom, 1, tallest / whole);
    rows.lh = whole * rows.zoom;
    rows.top = clamp(rows.top, 0, Math.max(0, count - box.plotH / rows.lh));
  }

  zoomRows(rows, factor, py = null) {
    const { box } = rows;
    const at = py === null ? box.plotH / 2 : clamp(py - box.plotY, 0, box.plotH);
    const unit = rows.top + at / rows.lh;
    const before = rows.lh;
    rows.zoom *= factor;
    this.settle(rows);
    rows.top = unit - at / rows.lh;
    this.settle(rows);
    this.want("base");
    return before !== rows.lh;
  }

  scrollRows(rows, by) { const before = rows.top; rows.top += by; this.settle(rows); this.want("base"); return rows.top !== before; }

  px(x) { return this.plotX + ((x - this.x0) / (this.x1 - this.x0)) * this.plotW; }

  value(px) { return this.x0 + ((px - this.plotX) / this.plotW) * (this.x1 - this.x0); }

  lineY(rows, line) { return rows.box.plotY + ((rows.lines.units ? rows.lines.units[line] : line) - rows.top) * rows.lh; }

  lineHeight({ lines, lh }, line) { return lines.units ? (lines.units[line + 1] - lines.units[line]) * lh : lh; }

  middle(rows, line) { return this.lineY(rows, line) + this.lineHeight(rows, line) / 2; }

  lineAt(rows, py) {
    const unit = rows.top + (py - rows.box.plotY) / rows.lh, { units, count } = rows.lines;
    if (!units) return Math.floor(unit);
    let low = 0, high = count;
    while (low < high) { const middle = (low + high) >> 1; if (units[middle + 1] > unit) high = middle; else low = middle + 1; }
    return low;
  }

  inView(rows) {
    const { box, lines, lh, top } = rows;
    if (lines.units) return [this.lineAt(rows, box.plotY), Math.min(lines.count, this.lineAt(rows, box.plotY + box.plotH - 1e-6) + 1)];
    return [Math.max(0, Math.floor(top)), Math.min(lines.count, Math.ceil(top + box.plotH / lh - 1e-9))];
  }

  labelOf(side, lines, line) {
    const base = lines.group ? lines.group[line] : -1;
    if (base >= 0) return `${side.names[base]} × ${number(lines.start[line + 1] - lines.start[line])}`;
    return side.name(lines.rows[lines.start[line]]);
  }

  // ------------------------------------------------------------ frames

  want(what) {
    this.dirty[what] = true;
    if (what === "base") this.dirty.over = this.dirty.mini = true;
    if (this.frame || this.stop.signal.aborted) return;
    this.frame = requestAnimationFrame(() => { this.frame = 0; this.draw(); });
  }

  draw() {
    if (!this.width || this.stop.signal.aborted) return;
    const begin = performance.now();
    if (this.glide) {
      const { from, to, begin: since } = this.glide;
      const share = clamp((begin - since) / 180, 0, 1), eased = 1 - (1 - share) ** 3;
      // The span goes geometrically: each frame looks like the same zoom.
      const full = this.full();
      const a = Math.max(from[1] - from[0], 1e-12), b = Math.max(to[1] - to[0], 1e-12);
      const span = a * (b / a) ** eased;
      const way = Math.abs(a - b) < 1e-12 * full ? eased : (span - a) / (b - a);
      const left = from[0] + (to[0] - from[0]) * way;
      if (share >= 1) this.glide = null;
      this.setView(share >= 1 ? to[0] : left, share >= 1 ? to[1] : left + span);
      this.dirty.base = true;
    }
    const { base, mini } = this.dirty;
    this.dirty.base = this.dirty.over = this.dirty.mini = false;
    if (base) { this.drawBase(); this.drawMini(); } else if (mini) this.drawMini();
    this.drawOver();
    const took = performance.now() - begin;
    this.stats.frames++; this.stats.last = took; this.stats.worst = Math.max(this.stats.worst, took);
    if (this.glide) this.want("base");
    if (base) this.askLater();
  }

  drawBase() {
    const { context: c, dpr, theme } = this;
    c.setTransform(dpr, 0, 0, dpr, 0, 0);
    c.fillStyle = this.paper;
    c.fillRect(0, 0, this.width, this.height);
    const ticks = this.ticks();
    for (const rows of this.bands) this.drawSide(rows, ticks);
    this.drawAxis(ticks);
    if (!this.bands.length) {
      c.fillStyle = theme.faint; c.font = this.font(13); c.textAlign = "center"; c.textBaseline = "middle";
      c.fillText("There is nothing to show.", this.width / 2, AXIS + 20);
    }
    this.stats.base++;
  }

  ticks() {
    const span = this.x1 - this.x0;
    let step = niceStep(span, Math.max(this.plotW / 92, 3)); // one tick alone is no scale
    if (this.axis === "switches") step = Math.max(1, Math.round(step));
    const out = [];
    for (let i = Math.ceil(this.x0 / step - 1e-9), n = 0; i * step <= this.x1 && n < 200; i++, n++) out.push(i * step + 0);
    return { step, values: out };
  }

  tickText(value, step) { return this.axis === "time" ? moment(value, step) : number(value); }

  drawAxis({ step, values }) {
    const { context: c, theme } = this;
    c.font = this.font(11); c.fillStyle = theme.faint; c.textBaseline = "alphabetic"; c.textAlign = "center";
    let taken = -Infinity;
    for (const value of values) {
      const x = this.px(value), text = this.tickText(value, step), half = c.measureText(text).width / 2;
      if (x + half > this.width + 2) continue;
      if (x - half > taken) { c.fillText(text, x, 13); taken = x + half + 6; }
      c.fillRect(Math.round(x), 17, 1, 4);
    }
    c.fillRect(this.plotX, 20, this.plotW, 1);
    c.textAlign = "left";
    const word = this.axis === "time" ? "time" : "switches";
    if (!values.length || this.px(values[0]) > c.measureText(word).width + 40) c.fillText(word, 2, 13);
  }

  caption(side) {
    return [side.meta.who || "", `${side.meta.complete === false ? "more than " : ""}${duration(side.seconds)}${side.virtual || side.meta.virtual ? " of virtual time" : ""}, ${switched(side, side.switches)}`];
  }

  drawSide(rows, ticks) {
    const { context: c, theme, plotX, plotW } = this;
    const { side, box, lines } = rows;
    const [strong, faint] = this.caption(side);
    c.textBaseline = "middle"; c.textAlign = "left";
    c.font = this.font(12.5, "600"); c.fillStyle = theme.ink;
    const captionY = box.y + CAPTION / 2 + 1;
    const said = fitted(c, strong, this.width - 4);
    c.fillText(said, 2, captionY);
    const wide = c.measureText(said).width;
    c.font = this.font(12); c.fillStyle = theme.faint;
    if (!side.empty) c.fillText(fitted(c, faint, this.width - wide - 16), wide + 12, captionY);
    if (side.empty || !lines.count) {
      c.fillStyle = theme.lane; c.fillRect(plotX, box.plotY, plotW, box.plotH);
      c.fillStyle = theme.faint; c.textAlign = "center";
      c.fillText(fitted(c, side.empty || "no row fits the filter", plotW - 8), plotX + plotW / 2, box.plotY + box.plotH / 2);
      return;
    }
    const [from, to] = this.inView(rows);
    c.save();
    c.beginPath(); c.rect(0, box.plotY, this.width, box.plotH); c.clip();
    if (rows.lh >= 9) {
      c.fillStyle = theme.lane;
      for (let line = from; line < to; line++) if (line % 2 === 0) c.fillRect(plotX, this.lineY(rows, line), plotW, this.lineHeight(rows, line));
    } else { c.fillStyle = theme.lane; c.fillRect(plotX, box.plotY, plotW, box.plotH); }
    c.fillStyle = theme.grid;
    for (const value of ticks.values) c.fillRect(Math.round(this.px(value)), box.plotY, 1, box.plotH);
    c.restore();
    if (side.cellsMode) this.drawKnown(rows, from, to); else this.drawBars(rows, side.bars, from, to);
    c.save();
    c.beginPath(); c.rect(plotX - 1, box.plotY, plotW + 2, box.plotH); c.clip();
    this.drawSlow(rows, from, to);
    this.drawEnds(rows, from, to);
    c.restore();
    this.drawFlags(rows);
    this.drawLabels(rows, from, to);
    this.drawScrollbar(rows);
  }

  // Everything is here: paint it.
  drawBars(rows, bars, from, to) {
    const { context: c, dpr, axis } = this;
    const { side, lines, box, lh, raster } = rows;
    const colours = this.colours[side.index];
    const left = Math.round(this.plotX * dpr), right = Math.round((this.plotX + this.plotW) * dpr);
    const width = right - left, top = Math.round(box.plotY * dpr), height = Math.round((box.plotY + box.plotH) * dpr) - top;
    if (width < 1 || height < 1) return;
    const span = this.x1 - this.x0;
    if (lh < FEW_PIXELS && !lines.grouped) {
      const cell = Math.max(CELL, Math.round(dpr * CELL));
      const groups = Math.max(1, Math.min(to - from, Math.floor(height / cell))), bins = Math.max(1, Math.floor(width / cell));
      const cells = shares(bars, axis, lines, from, to, groups, this.x0, this.x1, bins, colours.slots, this.room);
      raster.resize(bins, groups).clear();
      paintMixed(raster, cells, colours, side.takesTurns);
      this.blit(raster.done(), left, Math.round(this.lineY(rows, from) * dpr), width, Math.round((to - from) * lh * dpr), [top, height]);
      return;
    }
    raster.resize(width, height).clear();
    if (!this.sums || this.sums.width !== width) {
      this.sums = [new Float32Array(width), new Float32Array(width), new Float32Array(width)];
      this.sums.reasons = new Int32Array(width); this.sums.width = width;
    }
    const scale = width / span;
    for (let line = from; line < to; line++) {
      const y = this.lineY(rows, line) - box.plotY;
      let y0 = Math.round(y * dpr), y1 = Math.round((y + this.lineHeight(rows, line)) * dpr);
      if (lines.group && lines.group[line] >= 0) {
        const bins = Math.max(1, Math.floor(width / CELL));
        const cells = shares(bars, axis, lines, line, line + 1, 1, this.x0, this.x1, bins, colours.slots, this.room);
        paintStacked(raster, cells, 0, 0, width / bins, y0, y1, colours);
        continue;
      }
      // A single row beside whole functions is no higher than rows are.
      const spare = Math.max(0, Math.round((y1 - y0 - TALLEST * dpr) / 2));
      y0 += spare; y1 -= spare;
      paintRow(raster, this.sums, bars, axis, lines.rows[lines.start[line]], this.x0, scale, y0, y1, colours, dpr);
    }
    this.blit(raster.done(), left, top, width, height, [top, height]);
  }

  blit(image, x, y, width, height, [top, high]) {
    const { context: c } = this;
    c.save();
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.beginPath(); c.rect(Math.round(this.plotX * this.dpr), top, Math.round(this.plotW * this.dpr), high); c.clip();
    c.imageSmoothingEnabled = false;
    c.drawImage(image, x, y, width, height);
    c.restore();
  }

  // ------------------------------------------------------------ pictures from the kernel

  firstPicture(rows) {
    const { side } = rows;
    if (!side.cellsMode || !side.meta.cells) return;
    const buffer = this.source.first.buffers[side.meta.cells.buffer];
    if (buffer) rows.whole.time = this.picture(rows, side.meta.cells, buffer);
  }

  picture(rows, reply, buffer) {
    const { lines } = rows;
    const groups = reply.lines, top = reply.top || 0, bottom = reply.bottom || lines.count;
    const sizes = new Float32Array(groups);
    for (let line = top; line < Math.min(bottom, lines.count); line++) {
      sizes[Math.min(groups - 1, Math.floor(((line - top) * groups) / (bottom - top)))] += lines.start[line + 1] - lines.start[line];
    }
    const cells = sharesOfReply(typed(buffer, "u8"), groups, reply.bins, sizes, Boolean(reply.turns));
    return { cells, axis: reply.axis || "time", x0: reply.from || 0, x1: reply.to, top, bottom, groups, version: rows.version, plain: rows.plain, image: null };
  }

  usable(rows, picture) {
    return picture && picture.axis === this.axis && (picture.version === rows.version || (picture.plain && rows.plain));
  }

  drawKnown(rows, from, to) {
    const { context: c, dpr, theme, plotX, plotW } = this;
    const { box, lh } = rows;
    let drawn = false;
    for (const picture of [rows.whole[this.axis], rows.sharp]) {
      if (!this.usable(rows, picture)) continue;
      const image = this.imageOf(rows, picture);
      const x = Math.round(this.px(picture.x0) * dpr), x1 = Math.round(this.px(picture.x1) * dpr);
      const y = Math.round(this.lineY(rows, picture.top) * dpr), y1 = Math.round(this.lineY(rows, picture.bottom) * dpr);
      // What lies under a sharper picture must not shine through.
      if (drawn) {
        c.save();
        c.beginPath(); c.rect(plotX, box.plotY, plotW, box.plotH); c.clip();
        c.fillStyle = theme.lane; c.fillRect(x / dpr, y / dpr, (x1 - x) / dpr, (y1 - y) / dpr);
        c.restore();
      }
      this.blit(image, x, y, Math.max(x1 - x, 1), Math.max(y1 - y, 1), [Math.round(box.plotY * dpr), Math.round(box.plotH * dpr)]);
      drawn = true;
    }
    const { detail } = rows;
    if (detail && detail.axis === this.axis && detail.version === rows.version
        && detail.x0 <= this.x0 + 1e-12 && detail.x1 >= this.x1 - 1e-12 && detail.top <= from && detail.bottom >= to) {
      c.fillStyle = theme.lane; c.fillRect(plotX, box.plotY, plotW, box.plotH);
      this.drawBars(rows, detail.bars, from, to);
      drawn = true;
    }
    if (!drawn || rows.message) {
      c.font = this.font(12); c.fillStyle = theme.faint; c.textAlign = "center"; c.textBaseline = "middle";
      const text = rows.message || "asking the kernel …";
      if (!drawn) c.fillText(fitted(c, text, plotW - 10), plotX + plotW / 2, box.plotY + box.plotH / 2);
    }
  }

  imageOf(rows, picture) {
    const { cells } = picture;
    const colours = this.colours[rows.side.index];
    const own = picture.groups === picture.bottom - picture.top && rows.lh >= FEW_PIXELS;
    const high = own ? Math.max(FEW_PIXELS, Math.round(rows.lh * this.dpr)) : 1;
    if (picture.image && (picture.high === high || (own && picture.high > 1 && Math.abs(Math.log(high / picture.high)) < 0.3))) return picture.image;
    const raster = new Raster().resize(cells.bins, picture.groups * high);
    if (own) for (let g = 0; g < picture.groups; g++) paintStacked(raster, cells, g, 0, 1, g * high, (g + 1) * high, colours);
    else paintMixed(raster, cells, colours, rows.side.takesTurns);
    picture.high = high;
    picture.image = raster.done();
    return picture.image;
  }

  askLater() {
    if (!this.bands.some((rows) => this.wantsMore(rows))) return;
    clearTimeout(this.asking);
    this.asking = setTimeout(() => { for (const rows of this.bands) if (this.wantsMore(rows)) this.askView(rows); }, DEBOUNCE);
  }

  // Nothing is asked twice: what came, or that nothing came, stays so until the view moves.
  wantsMore(rows) {
    return rows.side.cellsMode && !rows.side.empty && !rows.busy && rows.asked !== this.viewOf(rows) && !this.sharpEnough(rows);
  }

  viewOf(rows) { return [this.axis, rows.version, this.x0, this.x1, rows.top, rows.lh, this.plotW, rows.box.plotH].join(); }

  sharpEnough(rows) {
    const [top, bottom] = this.inView(rows);
    const covers = (one) => one && one.x0 <= this.x0 + 1e-9 && one.x1 >= Math.min(this.x1, rows.side.length(this.axis)) - 1e-9 && one.top <= top && one.bottom >= bottom;
    if (rows.lines.count === 0 || this.x0 >= rows.side.length(this.axis)) return true;
    if (rows.detail && rows.detail.axis === this.axis && rows.detail.version === rows.version && covers(rows.detail)) return true;
    return [rows.sharp, rows.whole[this.axis]].some((one) => this.usable(rows, one) && covers(one)
      && (one.x1 - one.x0) / one.cells.bins <= ((this.x1 - this.x0) / this.plotW) * CELL * 1.3
      && (one.bottom - one.top) / one.groups <= Math.max(1, ((bottom - top) / rows.box.plotH) * CELL * 1.3));
  }

  // Ask for the view; while an answer is on its way nothing more is asked, then what is in view by then.
  async askView(rows) {
    if (this.stop.signal.aborted) return;
    rows.asked = this.viewOf(rows);
    const { side } = rows;
    const axis = this.axis, version = rows.version;
    const [top, bottom] = this.inView(rows);
    const span = this.x1 - this.x0, length = side.length(axis);
    // Somewhat more than the view, so that a small movement finds it there.
    const from = Math.max(0, this.x0 - span / 4), to = Math.min(length, this.x1 + span / 4);
    const margin = Math.ceil((bottom - top) / 4);
    const line0 = Math.max(0, top - margin), line1 = Math.min(rows.lines.count, bottom + margin);
    const bins = Math.max(8, Math.min(4000, Math.round(((to - from) / span) * (this.plotW / CELL))));
    const groups = Math.max(1, Math.min(line1 - line0, Math.round(((line1 - line0) / (bottom - top)) * (rows.box.plotH / CELL))));
    rows.busy = true;
    const slow = setTimeout(() => this.say("The kernel is busy: a sharper picture comes when it answers."), 2500);
    try {
      const { reply, buffers } = await this.inTurn(async () => {
        await this.sendOrder(rows);
        return this.source.ask({ kind: "cells", side: side.index, axis, from, to, bins, top: line0, bottom: line1, lines: groups }, []);
      });
      clearTimeout(slow);
      if (this.note.textContent.startsWith("The kernel is busy")) this.say("");
      if (this.stop.signal.aborted) return;
      if (rows.message) { rows.message = ""; this.say(""); }
      if (version === rows.version) {
        if (reply.kind === "bars") {
          rows.detail = { bars: new Bars(columnsOf(reply.columns, buffers), side.rows), axis, version, x0: reply.from ?? from, x1: reply.to ?? to, top: reply.top ?? line0, bottom: reply.bottom ?? line1 };
          if (rows.detail.x1 >= length) rows.detail.x1 = Infinity;
        } else if (buffers[0]) {
          rows.sharp = this.picture(rows, { ...reply, axis }, buffers[0]);
          rows.detail = null;
          // One of everything is what closer ones appear on, and what the mini-map shows.
          if (rows.sharp.x0 <= 0 && rows.sharp.x1 >= length && rows.sharp.top === 0 && rows.sharp.bottom >= rows.lines.count && rows.lines.hits === side.rows) {
            rows.whole[axis] = rows.sharp;
            this.miniature = null;
          }
        }
      }
    } catch (error) {
      clearTimeout(slow);
      if (this.stop.signal.aborted) return;
      rows.message = error.message;
      this.say(error.message);
    }
    rows.busy = false;
    this.want("base");
  }

  // The kernel knows one order of the rows. Views of the same widget tell theirs and ask one after the other, so
  // that none is answered in another's order.
  inTurn(work) {
    const { source } = this;
    source.orders ??= new Map();
    const turn = (source.orders.get("turn") || Promise.resolve()).then(work);
    source.orders.set("turn", turn.catch(() => {}));
    return turn;
  }

  async sendOrder(rows) {
    const { side, lines } = rows, owners = this.source.orders;
    const own = rows.plain ? "plain" : `${this.key}:${rows.version}`;
    // At first it is not known: the page may have been loaded again, and the kernel remembers what it was told before.
    if (owners.get(side.index) === own) return;
    owners.set(side.index, own);
    try {
      await this.source.ask({ kind: "order", side: side.index, lines: lines.count }, [lines.lineOf.slice()]);
    } catch (error) {
      owners.set(side.index, "unknown");
      throw error;
    }
  }

  // ------------------------------------------------------------ what stands on and around the bars

  drawLabels(rows, from, to) {
    const { context: c, theme, gutter } = this;
    const { side, lines, lh, box } = rows;
    c.save();
    c.beginPath(); c.rect(0, box.plotY - 2, gutter, box.plotH + 4); c.clip();
    const size = clamp(Math.round(lh * 0.72), 10, 12);
    c.font = this.font(size); c.textBaseline = "middle"; c.textAlign = "left";
    const step = this.labelStep(rows);
    const first = Math.ceil(from / step) * step;
    for (let line = first; line < to; line += step) {
      const middle = this.middle(rows, line), y = lh < 12 ? clamp(middle, box.plotY + 5, box.plotY + box.plotH - 5) : middle;
      const row = lines.rows[lines.start[line]], group = lines.group ? lines.group[line] : -1;
      const indent = (lines.depth ? Math.min(lines.depth[line], 8) * 12 : 0) + (this.folding(rows) ? 14 : 2);
      const bad = group < 0 && step === 1 ? this.badEnd(side, row) : 0;
      if (this.foldable(rows, line) && lh >= 8) triangle(c, indent - 8, y, this.isOpen(rows, line), theme.faint);
      c.fillStyle = step > 1 ? theme.faint : bad === FAILED ? theme.failed : theme.ink;
      let text = this.labelOf(side, lines, line);
      if (lines.kids && rows.folded.has(row) && lines.kids[row]) text = `${text} (+${lines.kids[row]})`;
      c.fillText(this.shortened(text, gutter - indent - 8 - (bad ? 14 : 0), size), indent, y);
      if (bad) glyph(c, bad, gutter - 11, y, 4, theme, this.paper);
    }
    c.restore();
  }

  // Every how many lines there is room for a name; where rows are too low to be told apart, names are only landmarks.
  labelStep({ lh }) { return Math.max(1, Math.ceil((lh < FEW_PIXELS ? 36 : 12.5) / lh)); }

  folding(rows) { return this.order === "tree" || (this.order === "function" && rows.lines.grouped); }

  foldable(rows, line) {
    const { lines } = rows;
    if (lines.group) return lines.group[line] >= 0;
    return Boolean(lines.kids && lines.kids[lines.rows[line]]);
  }

  isOpen(rows, line) {
    const { lines } = rows;
    return lines.group ? rows.opened.has(lines.group[line]) : !rows.folded.has(lines.rows[line]);
  }

  fold(rows, line) {
    const { lines } = rows;
    const set = lines.group ? rows.opened : rows.folded, key = lines.group ? lines.group[line] : lines.rows[line];
    if (set.has(key)) set.delete(key); else set.add(key);
    const focus = this.focused;
    this.hover = null;
    this.hideTip();
    this.arrangeRows(rows);
    if (lines.group && set.has(key)) {
      // The rows that come out should be readable.
      this.resize();
      rows.zoom = 1;
      this.settle(rows);
      rows.zoom = 16 / rows.lh;
      this.settle(rows);
      rows.top = rows.lines.units ? rows.lines.units[line] : line;
      this.settle(rows);
    } else this.resize();
    this.focused = focus;
    this.want("base");
  }

  badEnd(side, row) { const final = side.final[row]; return final === FAILED || final === CANCELLED || final === LEFT_OVER ? final : 0; }

  // Shorten a name in its middle: what tells it from others stands at its end.
  shortened(text, room, size) {
    const key = `${room}|${size}|${text}`;
    let out = this.labels.get(key);
    if (out === undefined) {
      out = fitted(this.context, text, room, true);
      if (this.labels.size > 5000) this.labels.clear();
      this.labels.set(key, out);
    }
    return out;
  }

  drawEnds(rows, from, to) {
    const { context: c, axis } = this;
    const { lines, lh, bad } = rows;
    const seen = new Set();
    const small = lh < 8;
    let drawn = 0;
    for (let k = 0; k < bad.length && drawn < MOST_MARKERS; k++) {
      const row = bad[k], line = lines.lineOf[row];
      if (line < from || line >= to) continue;
      const end = this.endOf(rows, row, axis);
      if (!(end >= this.x0 && end <= this.x1)) continue;
      const kind = this.badEnd(rows.side, row), x = this.px(end);
      let y = this.middle(rows, line);
      const group = lines.group && lines.group[line] >= 0;
      // Of a whole function: one height for each kind of end, so that they can be told apart.
      if (group) y = this.lineY(rows, line) + Math.min(this.lineHeight(rows, line) / 2, 7 + 11 * (kind - FAILED));
      // Markers that would hide one another are one.
      if (small || group) {
        const wide = group ? 11 : 6, key = `${kind}:${Math.round(x / wide)}:${Math.round(y / 6)}`;
        if (seen.has(key)) continue;
        seen.add(key);
      }
      const size = small || group ? 3.2 : clamp(Math.round(lh * 0.48) / 2, 3.5, 5), stamp = this.stamp(kind, size);
      c.drawImage(stamp, clamp(x, this.plotX + 3, this.plotX + this.plotW - 4) - 8, y - 8, 16, 16);
      drawn++;
    }
  }

  // A glyph as a small picture: there may be thousands of them in a frame.
  stamp(kind, size) {
    const key = `${kind}|${size}|${this.dpr}`;
    let stamp = this.stamps.get(key);
    if (!stamp) {
      stamp = document.createElement("canvas");
      stamp.width = stamp.height = Math.ceil(16 * this.dpr);
      const c = stamp.getContext("2d");
      c.scale(this.dpr, this.dpr);
      glyph(c, kind, 8, 8, size, this.theme, this.paper);
      this.stamps.set(key, stamp);
    }
    return stamp;
  }

  endOf(rows, row, axis) {
    const { side } = rows;
    if (axis === "time") return Number.isFinite(side.ended[row]) ? side.ended[row] : side.seconds;
    return side.turn ? side.turn[row] : NaN;
  }

  hatch() {
    if (this.hatching) return this.hatching;
    const tile = document.createElement("canvas");
    tile.width = tile.height = 6;
    const c = tile.getContext("2d");
    c.strokeStyle = this.paper; c.lineWidth = 1.5;
    c.beginPath();
    for (const d of [-6, 0, 6]) { c.moveTo(d - 1, 7); c.lineTo(d + 7, -1); }
    c.stroke();
    this.hatching = this.context.createPattern(tile, "repeat");
    return this.hatching;
  }

  slowSpan(rows, step) {
    const known = rows.side.at(this.axis, step.begin, step.row), begin = Number.isFinite(known) ? known : step.switch ?? NaN;
    if (this.axis !== "time") return [begin, begin + 1];
    return [begin, begin + (rows.side.meta.virtual ? 0 : step.seconds)];
  }

  drawSlow(rows, from, to) {
    const { context: c, theme } = this;
    const { side, lines, lh } = rows;
    if (lh < 6) return;
    for (const step of side.slow) {
      const line = lines.lineOf[step.row];
      if (!(line >= from && line < to) || (lines.group && lines.group[line] >= 0)) continue;
      const [begin, end] = this.slowSpan(rows, step);
      if (!(end >= this.x0 && begin <= this.x1)) continue;
      const x = this.px(begin), wide = Math.max(3, this.px(end) - x);
      const [y0, y1] = band(Math.round(this.lineY(rows, line)), Math.round(this.lineY(rows, line + 1)), HEIGHTS[RUNNING]);
      c.fillStyle = this.hatch(); c.fillRect(x, y0, wide, y1 - y0);
      c.strokeStyle = theme.ink; c.lineWidth = 1; c.strokeRect(x + 0.5, y0 + 0.5, Math.max(wide - 1, 1), y1 - y0 - 1);
    }
  }

  // Marks and slow steps: their texts stand over the rows, where they have room.
  drawFlags(rows) {
    const { context: c, theme, plotX, plotW } = this;
    const { side, box, marks, slow } = rows;
    if (!box.flags) return;
    const bottom = box.plotY;
    const strip = slow.length ? 9 : 0, levels = Math.floor((box.flags - strip) / FLAG);
    c.save();
    c.beginPath(); c.rect(0, box.y + CAPTION - 2, this.width, box.flags + box.plotH + 2); c.clip();
    const texts = [];
    let inView = 0;
    slow.forEach((step, i) => {
      const [begin, end] = this.slowSpan(rows, step);
      if (!(end >= this.x0 && begin <= this.x1)) return;
      const x = Math.max(this.px(begin), plotX), wide = Math.max(3, Math.min(this.px(end), plotX + plotW) - x);
      c.fillStyle = theme.ink; c.fillRect(x, bottom - 8, wide, 6);
      c.fillStyle = this.hatch(); c.fillRect(x, bottom - 8, wide, 6);
      inView++;
      if (i < 12) texts.push([x, step.label || `${duration(step.seconds)} without a switch`, theme.ink, false]);
    });
    let dashes = 0;
    for (const mark of marks) {
      const at = this.axis === "time" ? mark.time : mark.switch;
      if (!(at >= this.x0 && at <= this.x1)) continue;
      const x = Math.round(this.px(at)) + 0.5;
      if (dashes++ < 300) {
        c.strokeStyle = theme.mark; c.lineWidth = 1; c.setLineDash([4, 3]);
        c.beginPath(); c.moveTo(x, bottom - box.flags); c.lineTo(x, bottom + box.plotH); c.stroke();
        c.setLineDash([]);
        const line = mark.row >= 0 && mark.row < side.rows ? rows.lines.lineOf[mark.row] : -1;
        if (line >= 0 && rows.lh >= 6) {
          const y = this.middle(rows, line);
          if (y > bottom && y < bottom + box.plotH) { c.fillStyle = theme.mark; c.beginPath(); c.moveTo(x - 4, y - 5); c.lineTo(x + 4, y - 5); c.lineTo(x, y + 2); c.fill(); }
        }
      }
      inView++;
      if (texts.length < 60) texts.push([x, String(mark.text), theme.mark, true]);
    }
    texts.sort((a, b) => a[0] - b[0]);
    c.font = this.font(11); c.textBaseline = "middle"; c.textAlign = "left";
    let placed = this.placeFlags(texts, levels, 0);
    if (placed.length < inView) {
      // How many more there are is said at the right, in the uppermost line, whose end is kept free for it.
      const room = c.measureText(`+${number(inView)} more`).width + 8;
      placed = this.placeFlags(texts, levels, room);
      const y = bottom - strip - (levels - 0.5) * FLAG;
      c.fillStyle = this.paper; c.fillRect(this.width - room, y - 7, room, 14);
      c.fillStyle = theme.faint; c.textAlign = "right";
      c.fillText(`+${number(inView - placed.length)} more`, this.width - 4, y + 0.5);
      c.textAlign = "left";
    }
    for (const { shown, wide, left, level, colour, flag } of placed) {
      const y = bottom - strip - (level + 0.5) * FLAG;
      if (flag) { c.fillStyle = this.paper; c.fillRect(left, y - 7, wide - 2, 14); c.fillStyle = colour; c.globalAlpha = 0.14; c.fillRect(left, y - 7, wide - 2, 14); c.globalAlpha = 1; c.fillRect(left, y - 7, 2, 14); }
      else { c.fillStyle = this.paper; c.fillRect(left, y - 7, wide - 2, 14); }
      c.fillStyle = colour;
      c.fillText(shown, left + 5, y + 0.5);
    }
    c.restore();
  }

  // Where the texts over the rows stand, of those that find a place. The uppermost line ends `room` pixels earlier.
  placeFlags(texts, levels, room) {
    const { context: c, plotX, plotW } = this;
    const ends = new Array(levels).fill(plotX - 60), placed = [];
    for (const [x, text, colour, flag] of texts) {
      const shown = fitted(c, text, Math.min(380, plotW * 0.7)), wide = c.measureText(shown).width + 12;
      const left = clamp(x, 2, Math.max(2, this.width - wide));
      const level = ends.findIndex((end, at) => left >= end && (at < levels - 1 || left + wide <= this.width - room));
      if (level < 0) continue;
      ends[level] = left + wide + 4;
      placed.push({ shown, wide, left, level, colour, flag });
    }
    return placed;
  }

  drawScrollbar(rows) {
    const { context: c, theme } = this;
    const { box, lines, lh } = rows;
    const all = heightOf(lines), part = box.plotH / (all * lh);
    if (part >= 0.999) return;
    const high = Math.max(18, box.plotH * part), y = box.plotY + (rows.top / Math.max(all - box.plotH / lh, 1e-9)) * (box.plotH - high);
    c.fillStyle = theme.lane; c.fillRect(this.width - 9, box.plotY, 8, box.plotH);
    c.fillStyle = theme.otherWaits; c.beginPath(); c.roundRect(this.width - 8, y, 6, high, 3); c.fill();
  }

  // ------------------------------------------------------------ the mini-map

  drawMini() {
    const c = this.mini.getContext("2d"), { dpr, theme, plotX, plotW } = this;
    if (!this.miniature) this.miniature = this.makeMiniature();
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.clearRect(0, 0, this.mini.width, this.mini.height);
    c.setTransform(dpr, 0, 0, dpr, 0, 0);
    c.fillStyle = theme.lane; c.fillRect(plotX, 3, plotW, MINI - 6);
    const full = this.full();
    this.miniature.forEach((image, i) => {
      const { side } = this.bands[i];
      const each = (MINI - 8) / this.bands.length;
      c.imageSmoothingEnabled = false;
      c.drawImage(image, plotX, 4 + i * each, (side.length(this.axis) / full) * plotW, each - 1);
    });
    const a = plotX + (this.x0 / full) * plotW, b = Math.max(a + 3, plotX + (this.x1 / full) * plotW);
    c.fillStyle = this.paper; c.globalAlpha = 0.66;
    c.fillRect(plotX, 3, a - plotX, MINI - 6); c.fillRect(b, 3, plotX + plotW - b, MINI - 6);
    c.globalAlpha = 1; c.strokeStyle = theme.focus; c.lineWidth = 2;
    c.beginPath(); c.roundRect(a, 2, b - a, MINI - 4, 4); c.stroke();
    c.fillStyle = theme.focus;
    for (const x of [a, b]) { c.beginPath(); c.roundRect(x - 2.5, MINI / 2 - 8, 5, 16, 2); c.fill(); }
    c.font = this.font(11); c.fillStyle = theme.faint; c.textBaseline = "middle"; c.textAlign = "left";
    c.fillText(fitted(c, "overview", this.gutter - 8), 2, MINI / 2);
  }

  // Both sides' states over the whole run, all rows together.
  makeMiniature() {
    return this.bands.map((rows) => {
      const { side } = rows;
      const wide = Math.max(1, Math.round(this.plotW)), high = 24;
      const raster = new Raster().resize(wide, high);
      raster.clear();
      const length = side.length(this.axis);
      if (side.empty || !(length > 0)) return raster.done();
      let cells = null;
      if (side.bars) {
        const lines = { start: Int32Array.of(0, side.rows), rows: Int32Array.from({ length: side.rows }, (_, i) => i) };
        cells = shares(side.bars, this.axis, lines, 0, 1, 1, 0, length, wide, this.colours[side.index].slots);
      } else if (rows.whole[this.axis]) {
        const { cells: known } = rows.whole[this.axis];
        const { stride, channels } = known, length = channels * stride, part = new Float32Array(length);
        let size = 0;
        for (let g = 0; g < known.groups; g++) { size += known.size[g]; for (let i = 0; i < length; i++) part[i] += known.part[g * length + i]; }
        cells = { groups: 1, bins: known.bins, stride, channels, part, size: Float32Array.of(size) };
      }
      if (cells) paintStacked(raster, cells, 0, 0, wide / cells.bins, 0, high, this.colours[side.index]);
      return raster.done();
    });
  }

  // ------------------------------------------------------------ what moves over the bars

  drawOver() {
    const c = this.over.getContext("2d"), { dpr, theme, plotX, plotW } = this;
    c.setTransform(dpr, 0, 0, dpr, 0, 0);
    c.clearRect(0, 0, this.width, this.height);
    if (this.critical) this.drawCritical(c);
    for (const [place, colour, strong] of [[this.hover, theme.ink, 0.06], [this.selected && this.lineOfRow(this.selected), theme.focus, 0.13]]) {
      if (!place || place.line < 0 || place.line === undefined) continue;
      const rows = this.rows[place.side];
      if (place.line >= rows.lines.count) continue;
      const high = Math.max(this.lineHeight(rows, place.line), 2), y = this.lineY(rows, place.line);
      c.save();
      c.beginPath(); c.rect(0, rows.box.plotY, this.width, rows.box.plotH); c.clip();
      c.fillStyle = colour; c.globalAlpha = strong; c.fillRect(0, y, plotX, high);
      // The bars keep their colours.
      c.globalAlpha = strong / 2; c.fillRect(plotX, y, plotW, high);
      if (colour === theme.focus) { c.globalAlpha = 1; c.fillRect(0, y, 3, high); c.fillRect(0, y, plotX + plotW, 1); c.fillRect(0, y + high - 1, plotX + plotW, 1); }
      c.restore();
    }
    if (this.arrows) this.drawArrows(c);
    if (this.focused && document.activeElement === this.canvas) {
      const rows = this.rows[this.focused.side];
      if (rows && this.focused.line < rows.lines.count) {
        c.strokeStyle = theme.focus; c.lineWidth = 2;
        c.strokeRect(1, this.lineY(rows, this.focused.line), plotX + plotW - 2, Math.max(this.lineHeight(rows, this.focused.line), 4));
      }
    }
    this.drawNames(c);
    if (this.hover && this.hover.px >= plotX && this.hover.px <= plotX + plotW) {
      const x = Math.round(this.hover.px) + 0.5;
      c.strokeStyle = theme.ink; c.globalAlpha = 0.35; c.lineWidth = 1;
      c.beginPath(); c.moveTo(x, 21); c.lineTo(x, this.height - GAP); c.stroke();
      c.globalAlpha = 1;
      this.flagOnAxis(c, x, this.tickText(this.value(this.hover.px), this.ticks().step / 20), theme.ink);
    }
    if (this.step !== null) {
      const at = this.axis === "time" ? this.step.time : this.step.switch, x = this.px(at);
      if (x >= plotX - 1 && x <= plotX + plotW + 1) {
        const rows = this.rows[0];
        c.strokeStyle = theme.failed; c.lineWidth = 2;
        c.beginPath(); c.moveTo(x, 21); c.lineTo(x, rows.box.plotY + rows.box.plotH); c.stroke();
        const line = rows.lines.lineOf[this.step.row];
        if (line >= 0) {
          const y = this.middle(rows, line);
          c.fillStyle = theme.failed;
          if (y > rows.box.plotY && y < rows.box.plotY + rows.box.plotH) { c.beginPath(); c.arc(x, y, 4.5, 0, 7); c.fill(); }
        }
        this.flagOnAxis(c, x, this.axis === "time" ? duration(at) : `switch ${number(at)}`, theme.failed);
      }
    }
  }

  // The names of the rows that somebody looks at, where there is no room for all names.
  drawNames(c) {
    const { theme } = this;
    const wanted = [];
    if (this.critical) {
      for (const rows of this.bands) {
        if (!rows.side.path) continue;
        const own = [...new Set(rows.side.path.row)];
        if (own.length <= 24) for (const row of own) wanted.push([rows, rows.lines.lineOf[row], theme.ink]);
      }
    }
    if (this.selected) { const { side, line } = this.lineOfRow(this.selected); wanted.push([this.rows[side], line, theme.focus]); }
    if (this.focused && document.activeElement === this.canvas) wanted.push([this.rows[this.focused.side], this.focused.line, theme.focus]);
    if (this.hover) wanted.push([this.rows[this.hover.side], this.hover.line, theme.ink]);
    for (const [rows, line, colour] of wanted) {
      if (!(line >= 0 && line < rows.lines.count) || this.labelStep(rows) === 1) continue;
      const y = this.middle(rows, line);
      if (y < rows.box.plotY || y > rows.box.plotY + rows.box.plotH) continue;
      c.font = this.font(11, "600"); c.textBaseline = "middle"; c.textAlign = "left";
      const text = fitted(c, this.labelOf(rows.side, rows.lines, line), this.gutter - 14, true);
      c.fillStyle = colour; c.beginPath(); c.roundRect(0, y - 8, this.gutter - 2, 16, 4); c.fill();
      c.fillStyle = this.paper; c.fillText(text, 5, y + 0.5);
    }
  }

  flagOnAxis(c, x, text, colour) {
    c.font = this.font(11); c.textBaseline = "middle"; c.textAlign = "center";
    const wide = c.measureText(text).width + 10, at = clamp(x, wide / 2, this.width - wide / 2);
    c.fillStyle = colour; c.beginPath(); c.roundRect(at - wide / 2, 1, wide, 17, 4); c.fill();
    c.fillStyle = this.paper; c.fillText(text, at, 10);
  }

  lineOfRow({ side, row }) { return { side, line: this.rows[side].lines.lineOf[row] }; }

  drawCritical(c) {
    const { theme, plotX, plotW } = this;
    for (const rows of this.bands) {
      const { side, box, lines } = rows;
      const { path } = side;
      if (!path) continue;
      const begins = this.axis === "time" ? path.begin : path.sbegin, ends = this.axis === "time" ? path.end : path.send;
      c.save();
      c.beginPath(); c.rect(plotX, box.plotY, plotW, box.plotH); c.clip();
      c.fillStyle = this.paper; c.globalAlpha = 0.66; c.fillRect(plotX, box.plotY, plotW, box.plotH); c.globalAlpha = 1;
      const points = [];
      c.globalCompositeOperation = "destination-out";
      for (let i = 0; i < path.row.length; i++) {
        const line = lines.lineOf[path.row[i]];
        if (line < 0 || ends[i] < this.x0 || begins[i] > this.x1) continue;
        const y = this.lineY(rows, line), high = this.lineHeight(rows, line), xa = this.px(begins[i]), xb = this.px(ends[i]);
        c.fillRect(xa, y, Math.max(xb - xa, 1), Math.max(high, 3));
        // Along the lower edge of the bars, so that they are seen.
        points.push(xa, xb, y + Math.min(high - 1, high * 0.96));
      }
      c.globalCompositeOperation = "source-over";
      // From segment to segment: this one ended, and that let the next one go on.
      for (const [colour, wide] of [[this.paper, 5], [theme.ink, 2]]) {
        c.strokeStyle = colour; c.lineWidth = wide; c.lineJoin = "round";
        c.beginPath();
        for (let i = 0; i < points.length; i += 3) {
          const low = points[i + 2];
          if (i === 0) c.moveTo(points[i], low); else c.lineTo(points[i], low);
          c.lineTo(Math.max(points[i + 1], points[i] + 0.5), low);
        }
        c.stroke();
      }
      c.restore();
    }
  }

  edgesOf(rows) {
    const { side } = rows;
    const own = this.selected && this.selected.side === side.index ? this.selected.row : -1;
    const asked = own >= 0 ? this.askedEdges.get(`${side.index}:${own}`) : null;
    return { edges: asked || side.edges, own };
  }

  drawArrows(c) {
    const { theme, plotX, plotW } = this;
    let hidden = 0, shown = 0;
    for (const rows of this.bands) {
      const { box, lines } = rows;
      const { edges, own } = this.edgesOf(rows);
      if (!edges) continue;
      const when = this.axis === "time" ? edges.time : edges.switch;
      const chosen = [];
      for (let i = 0; i < edges.from.length; i++) {
        if (when[i] < this.x0 || when[i] > this.x1) continue;
        if (own >= 0 && edges.from[i] !== own && edges.to[i] !== own) continue;
        const a = lines.lineOf[edges.from[i]], b = lines.lineOf[edges.to[i]];
        if (!(a >= 0 && b >= 0) || a === b) continue;
        const ya = this.middle(rows, a), yb = this.middle(rows, b);
        if (Math.max(ya, yb) < box.plotY || Math.min(ya, yb) > box.plotY + box.plotH) continue;
        chosen.push(i, ya, yb);
      }
      if (chosen.length / 3 > FEW_ARROWS && own < 0) { hidden += chosen.length / 3; continue; }
      c.save();
      c.beginPath(); c.rect(plotX, box.plotY, plotW, box.plotH); c.clip();
      for (let k = 0; k < Math.min(chosen.length, 3 * 2000); k += 3) {
        const i = chosen[k];
        shown++;
        arrow(c, this.px(when[i]), chosen[k + 1], chosen[k + 2], edges.kind ? edges.kind[i] : 3, theme.ink, this.paper);
      }
      c.restore();
    }
    this.say(hidden ? `${counted(hidden, "arrow")} in view are too many to read: zoom in, or click a coroutine to see its own`
      : shown ? "" : this.selected ? "nobody woke this one here, and it woke nobody" : "no arrows in view");
  }

  async askEdges({ side, row }) {
    const one = this.sides[side], key = `${side}:${row}`;
    if (this.askedEdges.has(key) || (one.edges && one.edges.from.length < 50000)) return;
    try {
      const { reply, buffers } = await this.source.ask({ kind: "edges", side, row }, []);
      const columns = columnsOf(reply.columns, buffers);
      const get = (name) => columns[`edge.${name}`] || columns[name] || [];
      this.askedEdges.set(key, { from: get("from"), to: get("to"), time: get("time"), switch: get("switch"), kind: get("kind") });
      this.want("over");
    } catch (error) { this.say(error.message); }
  }

  // ------------------------------------------------------------ the legend

  drawLegend() {
    const { theme, waits } = this, shown = this.bands.map((rows) => rows.side);
    const items = [];
    const sample = (paint, text) => {
      const canvas = h("canvas", { width: 40, height: 28, "aria-hidden": "true" });
      const c = canvas.getContext("2d");
      c.scale(2, 2);
      paint(c);
      items.push(h("span", {}, canvas, text));
    };
    const bar = (colour, share) => (c) => { c.fillStyle = colour; const high = Math.round(14 * share); c.fillRect(0, (14 - high) / 2, 20, high); };
    sample(bar(theme.running, HEIGHTS[RUNNING]), "running");
    if (shown.some((side) => !side.takesTurns)) sample(bar(theme.active, HEIGHTS[RUNNING]), "running, or waiting for the GIL");
    sample(bar(theme.ready, HEIGHTS[READY]), "ready, waiting for its turn");
    for (const verb of waits) sample(bar(waitColour(theme, waits, verb), HEIGHTS[WAITING]), waitLabel(verb));
    const all = new Set();
    for (const side of shown) for (let row = 0; row < side.rows; row++) all.add(side.final[row]);
    for (const state of [FAILED, CANCELLED, LEFT_OVER]) {
      if (all.has(state)) sample((c) => glyph(c, state, 10, 7, 4.5, theme, this.paper), state === LEFT_OVER ? "left over, still waiting" : STATES[state]);
    }
    if (shown.some((side) => side.slow.length)) {
      sample((c) => { c.fillStyle = theme.running; c.fillRect(0, 1, 20, 12); c.fillStyle = this.hatch(); c.fillRect(0, 1, 20, 12); c.strokeStyle = theme.ink; c.strokeRect(0.5, 1.5, 19, 11); }, "held the thread for long");
    }
    if (shown.some((side) => side.marks.length)) sample((c) => { c.strokeStyle = theme.mark; c.setLineDash([4, 3]); c.beginPath(); c.moveTo(10, 0); c.lineTo(10, 14); c.stroke(); }, "mark");
    const kinds = new Set();
    for (const side of shown) if (side.edges) for (let i = 0; i < side.edges.kind.length && kinds.size < 4; i++) kinds.add(side.edges.kind[i]);
    this.kinds = kinds;
    this.legend.replaceChildren(...items);
    this.arrowLegend = [...kinds].sort().map((kind) => {
      const canvas = h("canvas", { width: 40, height: 28, "aria-hidden": "true" }), c = canvas.getContext("2d");
      c.scale(2, 2);
      c.translate(0, 7); c.rotate(-Math.PI / 2);
      arrow(c, 0, 1, 18, kind, theme.ink, this.paper, true);
      return h("span", { class: "coro-arrow-kind" }, canvas, { spawn: "spawned", join: "its end was waited for", message: "sent to", other: "let go on", send: "driven by hand" }[EDGE_KINDS[kind]] || "woke");
    });
    this.legend.append(...this.arrowLegend);
  }

  // ------------------------------------------------------------ pointer and keys

  hit(px, py) {
    for (const rows of this.bands) {
      const { box, lines, side } = rows;
      if (side.empty || !lines.count || py < box.plotY || py >= box.plotY + box.plotH) continue;
      const line = this.lineAt(rows, py);
      const zone = px < this.plotX ? "names" : px > this.plotX + this.plotW ? "scroll" : "plot";
      if (line >= lines.count) return { side: side.index, line: -1, row: -1, px, py, zone };
      const group = lines.group ? lines.group[line] : -1;
      return { side: side.index, line, row: group >= 0 ? -1 : lines.rows[lines.start[line]], group, px, py, zone };
    }
    return null;
  }

  gestures() {
    const { on, stage, mini } = this;
    const place = (event) => { const box = this.canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
    // Who scrolls the page and comes over us on the way wants to scroll on, until they stop.
    let passing = -Infinity, passes = false;
    on(window, "wheel", (event) => {
      passes = !event.ctrlKey && performance.now() - passing < 200;
      if (passes || !this.root.contains(event.target)) passing = performance.now();
    }, { capture: true, passive: true });
    on(this.canvas, "wheel", (event) => { if (!passes) this.wheeled(event, ...place(event)); }, { passive: false });
    let drag = null;
    const fingers = new Map();
    on(this.canvas, "pointerdown", (event) => {
      if (event.button !== 0) return;
      const [x, y] = place(event);
      this.canvas.focus({ preventScroll: true });
      this.canvas.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, [x, y]);
      const hit = this.hit(x, y);
      this.glide = null;
      drag = { x, y, lastX: x, lastY: y, moved: false, hit, zone: hit ? hit.zone : "plot", apart: 0 };
    });
    on(this.canvas, "pointermove", (event) => {
      const [x, y] = place(event);
      if (!drag) return this.hovered(x, y);
      if (fingers.size === 2) {
        fingers.set(event.pointerId, [x, y]);
        const [a, b] = [...fingers.values()];
        const apart = Math.hypot(a[0] - b[0], a[1] - b[1]);
        if (drag.apart) this.zoom(drag.apart / apart, this.value((a[0] + b[0]) / 2), false);
        drag.apart = apart; drag.moved = true;
        return undefined;
      }
      if (!drag.moved && Math.hypot(x - drag.x, y - drag.y) < 4) return undefined;
      drag.moved = true;
      this.hideTip();
      this.stage.style.cursor = "grabbing";
      const rows = drag.hit ? this.rows[drag.hit.side] : null;
      if (rows && drag.zone === "scroll") this.scrollRows(rows, ((y - drag.lastY) * heightOf(rows.lines)) / rows.box.plotH);
      else {
        if (rows) this.scrollRows(rows, (drag.lastY - y) / rows.lh);
        if (drag.zone === "plot") {
          const shift = ((drag.lastX - x) / this.plotW) * (this.x1 - this.x0);
          this.setView(this.x0 + shift, this.x1 + shift);
        }
      }
      drag.lastX = x; drag.lastY = y;
      return undefined;
    });
    const ended = (event, taken) => {
      fingers.delete(event.pointerId);
      if (!drag) return;
      const { moved, hit } = drag;
      drag = null;
      this.stage.style.cursor = "";
      if (taken && !moved) this.clicked(hit);
    };
    on(this.canvas, "pointerup", (event) => ended(event, true));
    on(this.canvas, "pointercancel", (event) => ended(event, false));
    on(this.canvas, "pointerleave", () => { if (!drag) { this.hover = null; this.hideTip(); this.want("over"); } });
    on(this.canvas, "dblclick", (event) => { const [x, y] = place(event); if (this.hit(x, y)?.zone === "plot") this.zoom(0.25, this.value(x)); });

    // The mini-map: drag the window, or one of its edges; a click elsewhere moves it there.
    let grip = null;
    const at = (event) => { const box = mini.getBoundingClientRect(); return ((event.clientX - box.left - this.plotX) / this.plotW) * this.full(); };
    on(mini, "pointerdown", (event) => {
      if (event.button !== 0) return;
      mini.setPointerCapture(event.pointerId);
      const x = at(event), near = (7 / this.plotW) * this.full();
      this.glide = null;
      const whole = this.x1 - this.x0 > this.full() * 0.999;
      grip = Math.abs(x - this.x0) < near ? "from" : Math.abs(x - this.x1) < near ? "to" : whole ? "new" : "move";
      if (grip === "move" && (x < this.x0 || x > this.x1)) { const half = (this.x1 - this.x0) / 2; this.setView(x - half, x + half); }
      grip = { what: grip, x, x0: this.x0, x1: this.x1 };
      event.preventDefault();
    });
    on(mini, "pointermove", (event) => {
      const x = at(event);
      if (!grip) {
        const near = (7 / this.plotW) * this.full();
        mini.style.cursor = Math.abs(x - this.x0) < near || Math.abs(x - this.x1) < near ? "ew-resize" : "grab";
        return;
      }
      if (grip.what === "move") this.setView(grip.x0 + x - grip.x, grip.x1 + x - grip.x);
      else if (grip.what === "from") this.setView(Math.min(x, this.x1 - this.least()), this.x1);
      else if (grip.what === "to") this.setView(this.x0, Math.max(x, this.x0 + this.least()));
      else if (Math.abs(x - grip.x) > (4 / this.plotW) * this.full()) this.setView(Math.min(x, grip.x), Math.max(x, grip.x));
    });
    for (const type of ["pointerup", "pointercancel"]) on(mini, type, () => { grip = null; });
    on(mini, "wheel", (event) => {
      if (this.zoom(Math.exp(clamp(event.deltaY, -240, 240) * 0.0022), at(event), false)) event.preventDefault();
    }, { passive: false });
    on(stage, "contextmenu", () => this.hideTip());
  }

  wheeled(event, x, y) {
    const unit = event.deltaMode === 1 ? 18 : event.deltaMode === 2 ? 400 : 1;
    const dx = event.deltaX * unit, dy = event.deltaY * unit;
    const hit = this.hit(x, y), rows = hit ? this.rows[hit.side] : null;
    this.glide = null;
    let did;
    const span = this.x1 - this.x0;
    if (rows && (hit.zone === "scroll" || event.altKey)) did = this.scrollRows(rows, dy / rows.lh);
    else if (event.shiftKey || Math.abs(dx) > Math.abs(dy) * 1.4) {
      const way = ((Math.abs(dx) > Math.abs(dy) ? dx : dy) / this.plotW) * span;
      did = this.setView(this.x0 + way, this.x1 + way);
    } else if (rows && hit.zone === "names") did = this.zoomRows(rows, Math.exp(-clamp(dy, -240, 240) * 0.0022), y);
    else did = this.zoom(Math.exp(clamp(dy, -240, 240) * 0.0022), this.value(clamp(x, this.plotX, this.plotX + this.plotW)), false);
    // Where there is nothing more to zoom or to move, the page may scroll on.
    if (did || event.ctrlKey) event.preventDefault();
    if (did) this.hovered(x, y);
  }

  keyed(event) {
    if (event.ctrlKey || event.metaKey) return;
    const { key } = event;
    const actions = {
      ArrowLeft: () => this.pan(event.shiftKey ? -0.5 : -0.12), ArrowRight: () => this.pan(event.shiftKey ? 0.5 : 0.12),
      ArrowUp: () => this.moveFocus(-1), ArrowDown: () => this.moveFocus(1),
      PageUp: () => this.moveFocus(-10), PageDown: () => this.moveFocus(10),
      "+": () => this.zoom(0.6), "=": () => this.zoom(0.6), "-": () => this.zoom(1 / 0.6), _: () => this.zoom(1 / 0.6),
      0: () => this.fit(), f: () => this.fit(), F: () => this.fit(),
      Home: () => { const [a, b] = this.target(); this.show(0, b - a); },
      End: () => { const [a, b] = this.target(); this.show(this.full() - (b - a), this.full()); },
      "]": () => this.eachZoom(1.4), "[": () => this.eachZoom(1 / 1.4),
      a: () => this.toggleByKey("arrows"), A: () => this.toggleByKey("arrows"), c: () => this.toggleByKey("critical"), C: () => this.toggleByKey("critical"),
      Enter: () => this.openFocused(),
      Escape: () => { this.hideTip(); if (!this.card.hidden) this.closeCard(); else { this.selected = null; this.want("over"); } },
    };
    if (this.stepper) Object.assign(actions, { " ": () => this.stepper.toggle(), ",": () => this.stepper.move(-1), ".": () => this.stepper.move(1) });
    // The arrows move in time, also with a row in focus: it is folded by the key that presses buttons.
    if (this.focused && this.foldable(this.rows[this.focused.side], this.focused.line)) actions[" "] = () => this.foldFocused();
    const action = Object.hasOwn(actions, key) ? actions[key] : null;
    if (!action) return;
    action();
    event.preventDefault();
  }

  // Who presses a key on the rows does not hear that a button is pressed now.
  toggleByKey(what) {
    const button = this.buttons[what], called = button.textContent;
    if (!button.disabled) this.toggle(what);
    this.live.textContent = button.disabled ? `${called}: there is nothing to show` : `${called}: ${this[what] ? "shown" : "hidden"}`;
  }

  eachZoom(factor) {
    const chosen = this.focused ? [this.rows[this.focused.side]] : this.bands;
    for (const rows of chosen) this.zoomRows(rows, factor, this.focused ? this.lineY(rows, this.focused.line) : null);
  }

  moveFocus(by) {
    const filled = this.bands.filter((rows) => rows.lines.count && !rows.side.empty);
    if (!filled.length) return;
    let { side, line } = this.focused || { side: filled[0].side.index, line: by > 0 ? -1 : 1 };
    line += by;
    const place = filled.findIndex((rows) => rows.side.index === side);
    if (line < 0 && place > 0) { side = filled[place - 1].side.index; line = filled[place - 1].lines.count - 1; }
    const rows0 = this.rows[side];
    if (line >= rows0.lines.count && place < filled.length - 1) { side = filled[place + 1].side.index; line = 0; }
    const rows = this.rows[side];
    line = clamp(line, 0, rows.lines.count - 1);
    this.focused = { side, line };
    const above = rows.box.plotY - this.lineY(rows, line);
    const below = this.lineY(rows, line) + this.lineHeight(rows, line) - rows.box.plotY - rows.box.plotH;
    if (above > 0) this.scrollRows(rows, -above / rows.lh); else if (below > 0) this.scrollRows(rows, below / rows.lh);
    this.live.textContent = this.spoken(rows, line);
    this.want("over");
  }

  spoken(rows, line) {
    const { side, lines } = rows;
    const n = lines.start[line + 1] - lines.start[line];
    if (lines.group && lines.group[line] >= 0) return `${side.names[lines.group[line]]}, ${counted(n, side.unit)}, ${rows.opened.has(lines.group[line]) ? "unfolded" : "folded"}`;
    const row = lines.rows[lines.start[line]];
    const end = side.final[row] >= 0 ? `, ${STATES[side.final[row]]}` : "";
    const below = this.foldable(rows, line) ? `, ${number(lines.kids[row])} below it, ${this.isOpen(rows, line) ? "unfolded" : "folded"}` : "";
    return `${side.name(row)}${end}${below}: running ${duration(side.running[row])}, ready ${duration(side.ready[row])}, waiting ${duration(side.waiting[row])}, longest wait ${duration(side.longest[row])}, ${counted(side.resumptions[row], "resumption")}`;
  }

  openFocused() {
    if (!this.focused) return this.moveFocus(1);
    const { side, line } = this.focused;
    const rows = this.rows[side];
    if (line >= rows.lines.count) return undefined;
    if (rows.lines.group && rows.lines.group[line] >= 0) return this.foldFocused();
    return this.openCard(side, rows.lines.rows[rows.lines.start[line]], true);
  }

  foldFocused() {
    const { side, line } = this.focused, rows = this.rows[side];
    this.fold(rows, line);
    this.live.textContent = this.spoken(rows, line);
  }

  clicked(hit) {
    if (!hit || hit.line < 0 || hit.zone === "scroll") return;
    const rows = this.rows[hit.side];
    this.focused = { side: hit.side, line: hit.line };
    if (this.foldable(rows, hit.line)) {
      const indent = rows.lines.depth ? Math.min(rows.lines.depth[hit.line], 8) * 12 : 0;
      if (hit.row < 0 || (hit.zone === "names" && hit.px < indent + 16)) return void this.fold(rows, hit.line);
    }
    this.openCard(hit.side, hit.row, false);
  }

  // ------------------------------------------------------------ the tooltip

  hovered(px, py) {
    const hit = this.hit(px, py);
    this.hover = hit && hit.line >= 0 && hit.zone !== "scroll" ? hit : null;
    this.stage.style.cursor = this.hover ? (hit.zone === "names" ? "pointer" : "crosshair") : "";
    this.want("over");
    if (!this.hover) return this.hideTip();
    const content = this.told(this.hover);
    this.tip.replaceChildren(...content);
    this.tip.hidden = !content.length;
    const { offsetWidth: w, offsetHeight: high } = this.tip;
    const left = px + 16 + w < this.width ? px + 16 : Math.max(2, px - w - 14);
    const top = py + 18 + high < this.main.clientHeight ? py + 18 : Math.max(2, py - high - 14);
    this.tip.style.left = `${left}px`;
    this.tip.style.top = `${top}px`;
    return undefined;
  }

  hideTip() { this.tip.hidden = true; }

  told({ side: index, line, row, group, px, zone }) {
    const rows = this.rows[index];
    const { side, lines } = rows;
    const text = (content) => h("div", {}, content);
    const slow = side.slow.find((step) => step.row === row && zone === "plot" && this.slowSpan(rows, step)[0] <= this.value(px + 3) && this.slowSpan(rows, step)[1] >= this.value(px - 3));
    // A mark's dashes go down all rows; it is told where it was made, and everywhere if nobody made it.
    const its = (one) => !(one.row >= 0) || (row < 0 ? side.base[one.row] === group : one.row === row);
    const marks = zone !== "plot" ? [] : rows.marks.filter((one) => its(one) && Math.abs(this.px(this.axis === "time" ? one.time : one.switch) - px) < 4);
    const more = [slow && text(`held the thread: ${slow.label || duration(slow.seconds)}`), ...marks.slice(0, 3).map((mark) => text(`mark: ${mark.text}`))].filter(Boolean);
    if (row < 0) {
      const n = lines.start[line + 1] - lines.start[line];
      return [h("b", {}, `${side.names[group]} × ${number(n)}`), zone === "plot" ? this.toldShares(rows, line, line + 1, px) : null,
        text(rows.opened.has(group) ? "click to fold its rows" : "click to see its rows")].filter(Boolean).concat(more);
    }
    const name = h("b", {}, side.name(row));
    if (zone === "names") {
      const end = side.final[row] >= 0 ? STATES[side.final[row]] : "";
      return [name, text([end, `running ${duration(side.running[row])}`, `ready ${duration(side.ready[row])}`, `waiting ${duration(side.waiting[row])}`].filter(Boolean).join(", ")),
        text(`longest wait ${duration(side.longest[row])}, ${counted(side.resumptions[row], "resumption")}`),
        side.flags[row] & BY_HAND ? text("driven by hand") : null, side.flags[row] & DAEMON ? text("a daemon") : null].filter(Boolean);
    }
    const x = this.value(px);
    const bars = side.bars || (rows.detail && rows.detail.version === rows.version && rows.detail.axis === this.axis && x >= rows.detail.x0 && x <= rows.detail.x1 ? rows.detail.bars : null);
    if (!bars) return [name, this.toldShares(rows, line, line + 1, px)].filter(Boolean).concat(more);
    const i = this.barAt(bars, row, px);
    if (i < 0) {
      const end = this.endOf(rows, row, this.axis), first = bars.start[row];
      const before = bars.start[row + 1] > first && x < bars.begins(this.axis)[first];
      return [name, text(before ? "not begun yet" : end <= x && side.final[row] >= 0 ? `ended: ${STATES[side.final[row]]}, at ${duration(side.ended[row])}` : "nothing known here")].concat(more);
    }
    return [name, ...this.toldBar(side, bars, i)].concat(more);
  }

  // The bar under the pointer. Short ones are hard to meet: who ran within two pixels comes first.
  barAt(bars, row, px) {
    const reach = ((this.x1 - this.x0) / this.plotW) * 2, x = this.value(px);
    const begins = bars.begins(this.axis), ends = bars.ends(this.axis), last = bars.start[row + 1];
    let found = -1, nearest = Infinity;
    for (let i = bars.after(row, x - reach, this.axis), n = 0; i < last && begins[i] <= x + reach && n < 400; i++, n++) {
      const off = x < begins[i] ? begins[i] - x : x > ends[i] ? x - ends[i] : 0;
      if (off === 0 && ends[i] - begins[i] > reach * 2) return i;
      const rank = off - (bars.state[i] === RUNNING ? reach * 0.9 : 0);
      if (rank < nearest) { nearest = rank; found = i; }
    }
    return found;
  }

  toldBar(side, bars, i) {
    const state = bars.state[i], reason = bars.reason[i];
    const out = [h("div", {}, `${STATES[state]} ${duration(bars.end[i] - bars.begin[i])}: ${this.span(bars.begin[i], bars.end[i])}`)];
    if (this.axis === "switches") out.push(h("div", {}, `switches ${number(bars.sbegin[i])} to ${number(bars.send[i])}`));
    if (state === WAITING && side.reasons[reason]) {
      const { verb, line, text } = side.reasons[reason];
      out.push(h("div", {}, verb + (line !== null && line !== undefined ? `, line ${line}` : "")));
      if (text) out.push(h("code", {}, text));
    }
    if (state === RUNNING && reason > 0) out.push(h("div", {}, `driven by ${side.name(reason - 1)}`));
    if (state === READY && reason < 0) out.push(h("div", {}, this.toldLate(side, bars, i)));
    else if (state === READY) {
      const before = i - 1, first = i === bars.start[bars.row[i]], verb = first ? "" : side.reasons[bars.reason[before]]?.verb;
      if (reason > 0) out.push(h("div", {}, `woken by ${side.name(reason - 1)}`));
      // Of a part of the bars nobody knows what was before.
      else if (first) { if (bars === side.bars) out.push(h("div", {}, "its first turn is still to come")); }
      else if (bars.end[before] !== bars.begin[i]) { /* nor here */ }
      else if (bars.state[before] === RUNNING) out.push(h("div", {}, "it let the others run"));
      else if (bars.state[before] === WAITING && verb) out.push(h("div", {}, `its wait is over: ${verb}`));
    }
    const next = i + 1;
    if (state === WAITING && next < bars.start[bars.row[i] + 1] && bars.state[next] === READY && bars.reason[next] > 0) out.push(h("div", {}, `until ${side.name(bars.reason[next] - 1)} woke it`));
    return out;
  }

  // Whose step held the thread when the time of this one's wait was over, and until when.
  toldLate(side, bars, i) {
    const by = -bars.reason[i] - 1, name = side.name(by), from = bars.begin[i], to = bars.end[i];
    const before = i > bars.start[bars.row[i]] && bars.state[i - 1] === WAITING ? side.reasons[bars.reason[i - 1]] : null;
    const what = before && before.verb === "sleep" ? "its sleep" : before ? `the time for its ${before.verb}` : "its time";
    let until = -1, most = 0, all = 0;
    for (let j = bars.after(by, from, "time"); j < bars.start[by + 1] && bars.begin[j] < to; j++) {
      const held = Math.min(bars.end[j], to) - Math.max(bars.begin[j], from);
      if (bars.state[j] === RUNNING && held > 0) all += held;
      // Of several that are about as long the last: as in late.py.
      if (bars.state[j] === RUNNING && held > 0 && held >= 0.9 * most) { most = held; until = bars.end[j]; }
    }
    const at = (time) => (duration(from) === duration(until) ? moment(time, Math.max((to - from) / 20, 1e-9)) : duration(time));
    const over = `${what} was over at ${at(from)}`;
    // As in late.py, if what is known here is all of it.
    if (until >= 0 && all < 0.7 * (to - from)) return `${over}, but others held the thread one after another, ${name} as the last until ${at(until)}`;
    return `${over}, but ${name} held the thread${until < 0 ? "" : ` until ${at(until)}`}`;
  }

  span(begin, end) {
    const step = Math.max((end - begin) / 20, 1e-9);
    const finest = Math.max(end, 1e-9) * 1e-7;
    return `${moment(begin, Math.max(step, finest))} to ${moment(end, Math.max(step, finest))}`;
  }

  toldShares(rows, from, to, px) {
    const { side } = rows, x = this.value(px);
    let cells, g, i;
    if (side.bars) {
      const wide = ((this.x1 - this.x0) / this.plotW) * 2;
      cells = shares(side.bars, this.axis, rows.lines, from, to, 1, x - wide / 2, x + wide / 2, 1, { count: 1, table: new Uint8Array(side.reasons.length + 1).fill(WAITING) });
      g = i = 0;
    } else {
      const picture = [rows.sharp, rows.whole[this.axis]].find((one) => this.usable(rows, one) && x >= one.x0 && x <= one.x1 && from >= one.top && from < one.bottom);
      if (!picture) return null;
      cells = picture.cells;
      i = Math.min(cells.bins - 1, Math.floor(((x - picture.x0) / (picture.x1 - picture.x0)) * cells.bins));
      g = Math.min(cells.groups - 1, Math.floor(((from - picture.top) * cells.groups) / (picture.bottom - picture.top)));
    }
    const n = cells.size[g] || 1, get = (channel) => Math.max(0, cells.part[(g * cells.channels + channel) * cells.stride + i]);
    const waits = side.bars ? ["waiting"] : this.waits, said = ["ready", "running", ...waits.map(waitLabel)];
    const words = [RUNNING, READY, ...waits.map((_, slot) => WAITING + slot)].filter((channel) => get(channel) > 1e-6)
      .map((channel) => `${said[channel]} ${percent(Math.min(1, get(channel) / n))}`);
    const who = side.bars ? "" : n > 1 ? `${number(n)} rows here: ` : "";
    return h("div", {}, `${who}${words.join(", ") || "nobody there"}`);
  }

  // ------------------------------------------------------------ the card

  async openCard(side, row, byKey) {
    if (row < 0) return;
    this.selected = { side, row };
    this.hideTip();
    this.want("over");
    if (this.arrows) this.askEdges(this.selected);
    const wasHidden = this.card.hidden;
    const name = this.sides[side].name(row);
    const close = h("button", { type: "button", class: "coro-close", "aria-label": "Close the card", title: "Close (Escape)" }, "×");
    this.on(close, "click", () => this.closeCard());
    const head = h("header", {}, h("h3", {}, name), close);
    this.card.setAttribute("aria-label", name);
    this.card.hidden = false;
    this.card.scrollTop = 0;
    this.card.replaceChildren(head, ...this.shortCard(side, row), h("p", { class: "coro-note" }, "asking for more …"));
    if (wasHidden) this.resize();
    if (byKey) this.card.focus({ preventScroll: false });
    let content;
    try {
      const { reply } = await this.source.ask({ kind: "card", side, row }, []);
      if (!this.selected || this.selected.row !== row || this.selected.side !== side) return;
      content = cardOf(this, reply.card || {}, head, close);
      this.live.textContent = `${name}: card opened`;
    } catch (error) {
      if (!this.selected || this.selected.row !== row || this.selected.side !== side) return;
      content = [head, ...this.shortCard(side, row), h("p", { class: "coro-note" }, error.message)];
    }
    this.card.replaceChildren(...content);
  }

  // What is known without asking.
  shortCard(index, row) {
    const side = this.sides[index];
    return [shareBar(this, side, side.running[row], side.ready[row], side.waiting[row]),
      h("p", {}, `longest wait ${duration(side.longest[row])}, ${counted(side.resumptions[row], "resumption")}`)];
  }

  closeCard() {
    const had = this.card.contains(document.activeElement);
    this.card.hidden = true;
    this.selected = null;
    this.resize();
    if (had) this.canvas.focus({ preventScroll: true });
    this.want("over");
  }
}

function shareBar(view, side, running, ready, waiting) {
  const { theme } = view, all = running + ready + waiting || 1;
  const part = (seconds, colour) => { const one = h("i", {}); one.style.width = `${(100 * seconds) / all}%`; one.style.background = colour; return one; };
  return h("div", {}, h("div", { class: "coro-share", "aria-hidden": "true" }, part(running, side.takesTurns ? theme.running : theme.active), part(ready, theme.ready), part(waiting, theme.waits[0])),
    h("p", {}, `running ${duration(running)}, ready ${duration(ready)}, waiting ${duration(waiting)}`));
}

function sourceLines(lines, current) {
  // Indentation that all lines share only takes room.
  const indents = lines.filter(({ text }) => text.trim()).map(({ text }) => text.length - text.trimStart().length);
  const spare = indents.length ? Math.min(...indents) : 0;
  lines = lines.map(({ line, text }) => ({ line, text: text.slice(spare) }));
  return h("div", { class: "coro-code" }, lines.map(({ line, text }) => h("div", { class: line === current ? "coro-lit" : null, "aria-current": line === current ? "true" : null }, h("span", {}, String(line)), h("span", {}, text || " "))));
}

function localsOf(locals) {
  if (!locals || !locals.length) return null;
  // Not a list of definitions: front ends have ideas of their own how those look.
  return h("div", { class: "coro-locals", role: "list", "aria-label": "Local names" },
    locals.map(([name, text]) => h("div", { role: "listitem" }, h("span", {}, name), h("span", {}, text))));
}

function cardOf(view, card, head, close) {
  const side = view.sides[view.selected.side];
  const state = card.state || "";
  const badge = h("span", { class: `coro-state${state === "failed" ? " coro-bad" : ""}` }, state);
  head.replaceChildren(h("h3", {}, card.name || side.name(view.selected.row)), state ? badge : "", close);
  const out = [head];
  if (card.spawned) {
    const { by, line, text } = card.spawned;
    out.push(h("p", {}, `spawned${by ? ` by ${by}` : ""}${line !== null && line !== undefined ? `, line ${line}` : ""}`));
    if (text) out.push(sourceLines([{ line, text }], null));
  }
  const seconds = card.seconds || {};
  out.push(shareBar(view, side, seconds.running || 0, seconds.ready || 0, seconds.waiting || 0));
  const counts = [counted(card.resumptions || 0, "resumption")];
  if (card.items) counts.push(counted(card.items, "item"));
  out.push(h("p", {}, counts.join(", ")));
  if (card.traceback) out.push(h("h4", {}, "Traceback"), h("pre", { tabindex: "0" }, card.traceback));
  if (card.result !== null && card.result !== undefined) out.push(h("h4", {}, "Result"), h("pre", { tabindex: "0" }, card.result));
  if (card.stack && card.stack.length) {
    out.push(h("h4", {}, state === "failed" || state === "cancelled" ? "Its stack at the end, innermost last" : "Its stack, innermost last"));
    card.stack.forEach((frame, i) => out.push(frame.folded ? foldedFrames(frame.folded, frame.of) : h("div", { class: `coro-frame${i === card.stack.length - 1 ? " coro-now" : ""}` },
      h("p", {}, h("b", {}, frame.function), ` ${[shortFile(frame.file), frame.line ? `line ${frame.line}` : ""].filter(Boolean).join(", ")}`),
      frame.source && frame.source.length ? sourceLines(frame.source, frame.line) : null, localsOf(frame.locals))));
  }
  if (card.output) out.push(h("h4", {}, "Output"), h("pre", { tabindex: "0" }, card.output));
  if (card.life && card.life.length) {
    // One unit for all, fine enough that what comes later is seen to come later.
    const last = Math.max(card.life.at(-1).end, 1e-9), step = 10 ** Math.floor(Math.log10(last) - 4);
    const row = ({ state: what, begin, end, why }) => h("tr", {}, h("td", { class: "coro-num" }, moment(begin, step, last / 10)), h("td", { class: "coro-num" }, duration(end - begin)), h("td", { class: "coro-word" }, what), h("td", {}, why || ""));
    // Who is ready for less than can be written is just going on; only if somebody woke it, or was in its way, it says something.
    const life = card.life.filter(({ state: what, begin, end, why }) => what !== "ready" || why || Math.round((end - begin) * 1e9) > 0);
    out.push(h("h4", {}, "Its life"), h("table", {}, h("thead", {}, h("tr", {}, ["at", "for", "", "why"].map((text) => h("th", { scope: "col" }, text)))), h("tbody", {}, life.map(row))));
    if (card.more) out.push(h("p", {}, `… and ${number(card.more)} more`));
  }
  return out;
}

// Frames of the notebook's own machinery: that they are there, and no more.
function foldedFrames(count, of) { return h("p", { class: "coro-folded" }, `… ${counted(count, "frame")} of ${of.join(" and ")}`); }

// IPython's names of cells say nothing to people.
function shortFile(file) {
  if (!file) return "";
  if (/ipykernel|^<ipython-input|^<cell|^\d+\.py$/.test(file)) return "in a cell";
  return String(file).split(/[\\/]/).slice(-2).join("/");
}

// ---------------------------------------------------------------- step mode

// How a coroutine stands: in words for the step that it has just made, and for later ones. Of those who may have gone on
// by then, the trace tells; where there is none, only how it was is known.
const STOOD = {
  ready: ["ran, is ready again", "was ready when it last ran"], waiting: ["ran, now waits", "waited when it last ran"],
  done: ["ran to its end", "has ended"], failed: ["ran, and failed", "failed"], cancelled: ["was cancelled", "cancelled"],
};

const ENDS = new Set(["done", "failed", "cancelled"]);

// Plays what `--record` wrote down: after each step, where every coroutine stands, with its locals.
class Stepper {
  constructor(view, { codes, steps, truncated }) {
    this.view = view;
    this.codes = codes || [];
    this.steps = steps;
    this.at = 0;
    // Who drives others by hand makes steps that are no switches.
    this.moreThanSwitches = steps.some((step, i) => step.switch !== i + 1);
    this.columns = new Map();
    const button = (id, text, label, more = {}) => h("button", { type: "button", "data-testid": id, "aria-label": label, title: label, ...more }, text);
    this.back = button("coro-step-back", "◂ Back", "One step back (,)");
    this.forward = button("coro-step-forward", "Step ▸", "One step on (.)");
    this.player = button("coro-play", "▶ Play", "Play (space)", { class: "coro-play" });
    this.slider = h("input", { type: "range", min: "0", max: String(steps.length - 1), value: "0", "aria-label": "Step", "data-testid": "coro-slider" });
    this.speed = h("select", { "aria-label": "Steps per second", "data-testid": "coro-speed" }, [1, 2, 4, 10, 30, 60].map((rate) => h("option", { value: rate }, `${rate}/s`)));
    this.speed.value = "4";
    this.where = h("output", { "data-testid": "coro-step" });
    this.grid = h("div", { class: "coro-columns", "data-testid": "coro-columns" });
    this.others = h("p", { class: "coro-note", "data-testid": "coro-others" });
    this.root = h("section", { class: "coro-steps", "aria-label": "Step mode", "data-testid": "coro-steps" },
      h("div", { class: "coro-player" }, this.player, this.back, this.forward, this.slider, this.speed, this.where),
      h("p", { class: "coro-note" }, "A step ends where a coroutine lets go of the thread, or resumes another by hand. The marked line is where it stands then, with its local names below."),
      truncated ? h("p", { class: "coro-note" }, `Only the first ${number(steps.length)} steps were recorded, up to switch ${number(steps.at(-1).switch)} of ${number(view.sides[0].switches)}.`) : null, this.grid, this.others);
    // Which steps belong to a row: what a row looked like at any step is found by halving.
    this.byRow = new Map();
    this.nth = new Int32Array(steps.length);
    steps.forEach(({ row }, i) => { if (!this.byRow.has(row)) this.byRow.set(row, []); this.nth[i] = this.byRow.get(row).push(i) - 1; });
    this.ran = new Map();
    const { on } = view;
    on(this.back, "click", () => this.move(-1));
    on(this.forward, "click", () => this.move(1));
    on(this.player, "click", () => this.toggle());
    on(this.slider, "input", () => { this.pause(); this.go(Number(this.slider.value)); });
    on(this.speed, "change", () => { if (this.timer) { this.pause(); this.play(); } });
    on(this.root, "keydown", (event) => {
      if (event.target === this.speed || (event.key === " " && event.target.tagName === "BUTTON")) return;
      const action = { " ": () => this.toggle(), ",": () => this.move(-1), ".": () => this.move(1) }[event.key];
      if (action) { action(); event.preventDefault(); }
    });
    this.go(0, false);
  }

  toggle() { if (this.timer) this.pause(); else this.play(); }

  play() {
    if (this.at >= this.steps.length - 1) this.go(0);
    this.player.textContent = "❚❚ Pause";
    this.player.setAttribute("aria-label", "Pause (space)");
    this.timer = setInterval(() => {
      if (this.at >= this.steps.length - 1) this.pause(); else this.go(this.at + 1);
    }, 1000 / Number(this.speed.value));
  }

  pause() {
    clearInterval(this.timer);
    this.timer = 0;
    this.player.textContent = "▶ Play";
    this.player.setAttribute("aria-label", "Play (space)");
  }

  move(by) { this.pause(); this.go(clamp(this.at + by, 0, this.steps.length - 1)); }

  // The last step of a row that is not after `at`; -1 if it had none by then.
  lastOf(row, at) {
    const own = this.byRow.get(row);
    let low = 0, high = own.length;
    while (low < high) { const middle = (low + high) >> 1; if (own[middle] <= at) low = middle + 1; else high = middle; }
    return low ? own[low - 1] : -1;
  }

  go(at, shown = true) {
    this.at = at;
    const step = this.steps[at], { view } = this;
    this.slider.value = String(at);
    this.back.disabled = at === 0;
    this.forward.disabled = at >= this.steps.length - 1;
    this.where.textContent = `step ${number(at + 1)} of ${number(this.steps.length)}${this.moreThanSwitches ? `, ${step.switch ? `after ${switched(view.sides[0], step.switch)}` : "before the first switch"}` : ""}`;
    this.slider.setAttribute("aria-valuetext", `${view.sides[0].name(step.row)} ${this.standing(at, at)}, ${this.where.textContent}`);
    this.drawColumns(at);
    view.step = shown ? step : null;
    if (shown) {
      const x = view.axis === "time" ? step.time : step.switch;
      if (x < view.x0 || x > view.x1) { const half = (view.x1 - view.x0) / 2; view.setView(x - half * 0.4, x + half * 1.6); }
      view.want("over");
    }
  }

  // The bars in which a row ran, in order: its steps, one by one, are their ends.
  ranIn(row) {
    const { bars } = this.view.sides[0];
    if (!this.ran.has(row)) {
      const found = [];
      if (bars && row < this.view.sides[0].rows) for (let i = bars.start[row]; i < bars.start[row + 1]; i++) if (bars.state[i] === RUNNING) found.push(i);
      this.ran.set(row, found);
    }
    return this.ran.get(row);
  }

  // The bar that the row of step `index` is in, when step `at` has ended, and it has not run since; -1 where that is not known.
  barAt(index, at) {
    const { bars } = this.view.sides[0], { row, time } = this.steps[index], now = this.steps[at];
    const ran = this.ranIn(row)[this.nth[index]], spare = 1e-7 * Math.abs(now.time) + 1e-9;
    if (ran === undefined || Math.abs(bars.end[ran] - time) > spare) return -1;
    let found = -1;
    for (let i = ran + 1; i < bars.start[row + 1] && bars.state[i] !== RUNNING; i++) if (bars.sbegin[i] <= now.switch && bars.begin[i] <= now.time + spare) found = i;
    return found;
  }

  // How the row of step `index` stands when step `at` has ended, in words.
  standing(index, at) {
    const { state } = this.steps[index], side = this.view.sides[0], now = index === at, said = STOOD[state]?.[now ? 0 : 1] || state;
    const bar = ENDS.has(state) ? -1 : this.barAt(index, at);
    if (bar < 0) return said;
    const { bars } = side, verb = (i) => { const known = side.reasons[bars.reason[i]]?.verb; return known && known !== "waiting" ? known : ""; };
    if (bars.state[bar] === WAITING) return `${now ? "ran, now waits" : "waits"}${verb(bar) ? `: ${verb(bar)}` : ""}`;
    if (now) return said;
    if (bars.reason[bar] > 0) return `ready, woken by ${side.name(bars.reason[bar] - 1)}`;
    return bars.state[bar - 1] === WAITING && verb(bar - 1) ? `ready, its wait is over: ${verb(bar - 1)}` : "ready";
  }

  drawColumns(at) {
    // Those who have not ended, the rows that ran last first, and the others where there is room; one that is
    // shown keeps its place, so that the eye finds it again.
    const seen = new Set(), alive = [], ended = [];
    for (let i = at; i >= 0; i--) {
      const { row, state } = this.steps[i];
      if (seen.has(row)) continue;
      seen.add(row);
      (i === at || !ENDS.has(state) ? alive : ended).push(row);
    }
    const recent = [...alive, ...ended].slice(0, MOST_COLUMNS), more = Math.max(0, alive.length - MOST_COLUMNS);
    this.others.textContent = more ? `${counted(more, "more coroutine")} that ran longer ago and ${more === 1 ? "has" : "have"} not ended` : "";
    for (const row of this.columns.keys()) if (!recent.includes(row)) { this.columns.get(row).remove(); this.columns.delete(row); }
    for (const row of recent) {
      if (!this.columns.has(row)) {
        const column = h("article", { class: "coro-column", "data-row": row });
        this.columns.set(row, column);
        const after = [...this.grid.children].find((one) => Number(one.dataset.row) > row);
        this.grid.insertBefore(column, after || null);
      }
      const column = this.columns.get(row), index = this.lastOf(row, at);
      const now = index === at;
      column.classList.toggle("coro-now", now);
      const standing = this.standing(index, at);
      if (column.dataset.step === String(index) && column.dataset.standing === standing) continue;
      column.dataset.step = String(index); column.dataset.standing = standing;
      column.replaceChildren(...this.content(this.steps[index], standing));
      const lit = column.querySelectorAll(".coro-lit");
      for (const one of lit) { const box = one.parentElement; box.scrollTop = one.offsetTop - box.clientHeight / 2; }
    }
  }

  content(step, standing) {
    const { view } = this;
    const frames = step.frames || [];
    const out = [h("header", {}, h("b", {}, view.sides[0].name(step.row)), h("span", {}, standing))];
    const codes = frames.map(([index, line]) => this.codes[index] || { name: "?", file: "", first: line, lines: [] });
    // The notebook's own machinery, and what it calls until it comes back to the user's code.
    let engine = "";
    const engines = codes.map(({ engine: its, library }) => (engine = its || (library ? engine : "")));
    // The user's own calls; where there are none, all of them.
    const own = codes.map(({ library }, i) => !engines[i] && (!library || codes.every((one) => one.library)));
    const innermost = own.lastIndexOf(true);
    // A function that called itself, from the same place: the first of its frames says it all, and how many they are.
    const again = frames.map(([index, line], i) => i > 0 && i !== innermost && own[i] && own[i - 1] && frames[i - 1][0] === index && frames[i - 1][1] === line);
    const repeats = (i) => { let n = 0; while (again[i + 1 + n]) n++; return n; };
    let skip = 0;
    let inside = [], folded = [];
    const close = () => { closeFolded(); closeInside(); };
    const closeFolded = () => { if (folded.length) out.push(foldedFrames(folded.length, [...new Set(folded)])); folded = []; };
    const closeInside = () => { if (inside.length) out.push(h("p", { title: inside.join("\n") }, `… in ${inside[0]}${inside.length > 1 ? `, and ${counted(inside.length - 1, "call")} in it` : ""}`)); inside = []; };
    frames.forEach(([, line, locals], depth) => {
      if (skip) { skip--; return; }
      const code = codes[depth];
      const inner = depth === innermost;
      if (engines[depth]) { closeInside(); folded.push(engines[depth]); return; }
      closeFolded();
      if (!own[depth]) { inside.push(`${code.name}, ${shortFile(code.file)}, line ${line}`); return; }
      close();
      // Outer frames are waiting in one line; of the innermost the surroundings are shown.
      const all = (code.lines || []).map((text, i) => ({ line: code.first + i, text }));
      const place = line - code.first, room = inner ? 12 : 1;
      const from = clamp(place - Math.floor(room / 2), 0, Math.max(0, all.length - room));
      if (frames.length > 1) out.push(h("p", {}, [code.name, ...[shortFile(code.file)].filter((file) => file && file !== "in a cell")].join(" in ")));
      out.push(all.length ? sourceLines(all.slice(from, from + room), line) : h("p", {}, `line ${line}, whose text is not known`), localsOf(locals) || "");
      const same = repeats(depth);
      if (same < FEW_FRAMES) return;
      skip = same;
      out.push(h("p", { class: "coro-folded" }, `… ${counted(same, "more frame")} of ${code.name}`));
    });
    close();
    return out;
  }
}

// ---------------------------------------------------------------- small drawings

// Make a text fit a width in pixels; with `keepEnd` the dots stand in its middle.
function fitted(context, text, room, keepEnd = false) {
  text = String(text);
  // Line ends and other control characters have no width of their own to show.
  text = text.slice(0, 400).replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, "␣");
  if (context.measureText(text).width <= room) return text;
  // Names that begin alike often differ at the end: that has half of the letters.
  const cut = (letters) => { const end = keepEnd ? letters >> 1 : 0; return `${text.slice(0, letters - end)}…${end ? text.slice(-end) : ""}`; };
  let low = 0, high = text.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (context.measureText(cut(middle)).width <= room) low = middle; else high = middle - 1;
  }
  return low ? cut(low) : "";
}

function triangle(c, x, y, open, colour) {
  c.fillStyle = colour;
  c.beginPath();
  if (open) { c.moveTo(x - 4, y - 2.5); c.lineTo(x + 4, y - 2.5); c.lineTo(x, y + 3.5); } else { c.moveTo(x - 2.5, y - 4); c.lineTo(x + 3.5, y); c.lineTo(x - 2.5, y + 4); }
  c.fill();
}

// How a row ended: a cross, a diamond, an arrow that points on; known by shape, not only by colour.
function glyph(c, state, x, y, size, theme, paper) {
  c.save();
  c.lineJoin = "round";
  if (state === FAILED) {
    for (const [colour, wide] of [[paper, 5], [theme.failed, 2.6]]) {
      c.strokeStyle = colour; c.lineWidth = wide; c.lineCap = "round";
      c.beginPath(); c.moveTo(x - size, y - size); c.lineTo(x + size, y + size); c.moveTo(x + size, y - size); c.lineTo(x - size, y + size); c.stroke();
    }
  } else {
    c.beginPath();
    if (state === CANCELLED) { c.moveTo(x, y - size * 1.2); c.lineTo(x + size * 1.2, y); c.lineTo(x, y + size * 1.2); c.lineTo(x - size * 1.2, y); } else { c.moveTo(x - size * 0.8, y - size * 1.1); c.lineTo(x + size * 1.1, y); c.lineTo(x - size * 0.8, y + size * 1.1); }
    c.closePath();
    c.fillStyle = paper; c.fill();
    c.strokeStyle = theme.ink; c.lineWidth = 1.4; c.stroke();
  }
  c.restore();
}

// Who woke whom, at one moment: a spawn is dotted with an open head, a join dashed with a square, a message
// whole with a filled head, a send by hand dashed and dotted with a filled head, anything else thin with a ring.
function arrow(c, x, from, to, kind, colour, paper, straight = false) {
  const away = Math.abs(to - from), down = to > from ? 1 : -1;
  const bow = straight ? 0 : Math.min(16, 4 + away * 0.12), head = 5;
  const dash = [[1.5, 3], [6, 3], [], [], [9, 3, 2, 3]][kind] || [];
  for (const [ink, wide] of straight ? [[colour, 1.5]] : [[paper, 3.6], [colour, kind === 3 ? 1 : 1.5]]) {
    c.strokeStyle = ink; c.lineWidth = wide; c.setLineDash(ink === colour ? dash : []);
    c.beginPath(); c.moveTo(x, from); c.quadraticCurveTo(x - bow, (from + to) / 2, x, to - down * (kind === 0 ? 0 : 2)); c.stroke();
  }
  c.setLineDash([]);
  c.fillStyle = c.strokeStyle = colour; c.lineWidth = 1.5;
  c.beginPath();
  const lean = straight ? 0 : (bow / Math.max(away, 1)) * head;
  if (kind === 0) { c.moveTo(x - head * 0.8 - lean, to - down * head); c.lineTo(x, to); c.lineTo(x + head * 0.8 - lean, to - down * head); c.stroke(); }
  else if (kind === 1) { c.rect(x - 3, to - 3, 6, 6); c.fill(); }
  else if (kind === 2 || kind === 4) { c.moveTo(x - head * 0.8 - lean, to - down * head * 1.2); c.lineTo(x, to); c.lineTo(x + head * 0.8 - lean, to - down * head * 1.2); c.closePath(); c.fill(); }
  else { c.arc(x, to, 2.5, 0, 7); c.fillStyle = paper; c.fill(); c.stroke(); }
  // Where it comes from.
  if (!straight) { c.fillStyle = colour; c.beginPath(); c.arc(x, from, 1.8, 0, 7); c.fill(); }
}

// ---------------------------------------------------------------- for those who show it

// Draw a timeline into an element. `source` has `first` ({meta, buffers}) and `ask(request, buffers)`, which
// gives a promise of {reply, buffers} and fails with an Error whose message people can read.
// Returns a function that takes everything away again.
export function draw(element, source) {
  const timeline = new Timeline(element, source);
  return () => timeline.destroy();
}

// A source that asks the kernel through a widget's model. Replies go to all views of a model: each knows its own by their ids.
function kernelSource(model) {
  const waiting = new Map();
  const key = Math.random().toString(36).slice(2);
  let last = 0;
  const received = (content, buffers) => {
    const one = content && waiting.get(content.id);
    if (!one) return;
    waiting.delete(content.id);
    clearTimeout(one.timer);
    if (content.kind === "error") one.reject(new Error(content.message || "the kernel could not answer"));
    else one.resolve({ reply: content, buffers: buffers || [] });
  };
  model.on("msg:custom", received);
  const ask = (request, buffers = []) => new Promise((resolve, reject) => {
    const id = `${key}:${++last}`;
    const timer = setTimeout(() => { waiting.delete(id); reject(new Error("The kernel does not answer: it is busy or gone.")); }, PATIENCE);
    waiting.set(id, { resolve, reject, timer });
    try {
      model.send({ ...request, id }, undefined, buffers.map((one) => one.buffer || one));
    } catch {
      clearTimeout(timer);
      waiting.delete(id);
      reject(new Error("There is no kernel to ask: run the cell again to look closer."));
    }
  });
  const close = () => { model.off("msg:custom", received); for (const { timer } of waiting.values()) clearTimeout(timer); waiting.clear(); };
  return { ask, close };
}

// Which order of rows the kernel knows is shared by the views of a widget. Each view may have a module and a model
// object of its own, so the page keeps it, by the widget's key.
function ordersOf(key) {
  const all = (globalThis[Symbol.for("coro_magic.orders")] ??= new Map());
  if (!all.has(key)) all.set(key, new Map());
  return all.get(key);
}

function render({ model, el }) {
  const { ask, close } = kernelSource(model);
  let meta;
  try { meta = JSON.parse(model.get("meta")); } catch { meta = {}; }
  // The panel's pictures are drawn in the kernel, which cannot see the page.
  const themed = (dark) => {
    if (model.get("dark") === dark) return;
    model.set("dark", dark);
    try { model.save_changes(); } catch { /* no kernel draws any more */ }
  };
  const remove = draw(el, { first: { meta, buffers: model.get("buffers") || [] }, ask, orders: ordersOf(model.get("key")), themed });
  return () => { remove(); close(); };
}

// A source for a saved page: everything it knows is in it.
export async function savedSource(packed, sizes) {
  const letters = atob(packed);
  const zipped = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) zipped[i] = letters.charCodeAt(i);
  const stream = new Blob([zipped]).stream().pipeThrough(new DecompressionStream("gzip"));
  const whole = new Uint8Array(await new Response(stream).arrayBuffer());
  let end = 0;
  const [text, ...buffers] = sizes.map((size) => whole.slice(end, (end += size)));
  const meta = JSON.parse(new TextDecoder().decode(text));
  const ask = async (request) => {
    const card = request.kind === "card" && meta.cards ? meta.cards[`${request.side}:${request.row}`] : null;
    if (card) return { reply: { kind: "card", card }, buffers: [] };
    throw new Error(request.kind === "card" ? "Its card was not saved in this page: there were too many."
      : "This saved page shows what was saved; a closer look needs the notebook and its kernel.");
  };
  return { first: { meta, buffers }, ask, saved: true };
}

export default { render };
