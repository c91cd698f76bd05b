// Draw arcs over the text, highlight the arguments of relations, and filter outcomes.
"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const MIN_WIDTH = 480;   // narrower texts have no arcs, only the list of relations
  const MANY_TEXTS = 200;
  const MAX_ARCS = 16;
  const MAX_LANES = 6;     // arcs above each other
  const LANE = 19;         // height of an arc with its label
  const TRACK = 9;         // width of a vertical connection beside the text
  const RADIUS = 6;
  const GAP = 6;

  const all = (root, selector) => [...root.querySelectorAll(selector)];

  function element(parent, name, attributes) {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    return parent.appendChild(node);
  }

  // Arrange and draw the arcs of a figure. data-arcs is "drawn", or the reason why not.
  function draw(figure) {
    const text = figure.querySelector(".text");
    const svg = figure.querySelector(".arcs");
    svg.replaceChildren();
    text.style.paddingInlineEnd = "";
    for (const mark of all(text, ".raised")) {
      mark.classList.remove("raised");
      mark.style.removeProperty("--up");
    }
    const rows = all(figure, "[data-head]").filter((row) => !row.hidden);
    figure.dataset.arcs = arrange(text, svg, rows);
    if (figure.dataset.arcs !== "drawn") {
      svg.replaceChildren();
      text.style.paddingInlineEnd = "";
    }
  }

  function arrange(text, svg, rows) {
    if (!rows.length) return "none";
    if (text.clientWidth < MIN_WIDTH) return "narrow";
    if (rows.length > MAX_ARCS) return "many";
    const links = rows.map((row) => ({
      row,
      marks: [row.dataset.head, row.dataset.tail].map((number) =>
        text.querySelector(`[data-mark="${number}"]`)),
    }));
    if (links.some((link) => !link.marks[0] || !link.marks[1])) return "outside";
    const rtl = getComputedStyle(links[0].marks[0].closest("p")).direction === "rtl";
    let lines = findLines(text, links);
    const tracks = links.filter((link) => link.ends[0].line !== link.ends[1].line).length;
    if (tracks * TRACK > text.clientWidth / 4) return "many";
    if (tracks) {
      // the space beside the text can move words to other lines
      const side = rtl ? "paddingLeft" : "paddingRight";
      text.style.paddingLeft = text.style.paddingRight = "";
      text.style[side] = `${(tracks + 1) * TRACK}px`;
      lines = findLines(text, links);
    }
    const size = text.getBoundingClientRect();
    for (const link of links) {
      link.group = element(svg, "g", { "data-link": rows.indexOf(link.row) });
      if (link.row.dataset.kind) link.group.dataset.kind = link.row.dataset.kind;
      const label = link.row.querySelector(".rel bdi").textContent;
      link.text = element(link.group, "text", {});
      link.text.textContent = label;
      link.labelWidth = link.text.getComputedTextLength();
      if (link.labelWidth > size.width - 20) return "long label";
    }
    attach(links, rtl);
    const inner = {
      left: parseFloat(text.style.paddingLeft) || 0,
      right: size.width - (parseFloat(text.style.paddingRight) || 0),
    };
    makeSegments(links, lines, inner, rtl);
    for (const line of lines) {
      assignLanes(line, size.width);
      if (line.lanes > MAX_LANES) return "many";
    }
    for (const line of lines) {
      if (!line.lanes) continue;
      line.first.classList.add("raised");
      // above the baseline: the arcs, and the highest entity of the line
      const up = line.lanes * LANE + GAP + line.baseline - line.top;
      line.first.style.setProperty("--up", `${up}px`);
    }
    const moved = findLines(text, links);
    lines.forEach((line, index) => { line.top = moved[index].top; });
    chooseTracks(links, lines, inner, rtl);
    links.forEach((link) => drawLink(link, rtl));
    return "drawn";
  }

  // Find the lines of the text that have entities, and the box of each argument.
  function findLines(text, links) {
    const origin = text.getBoundingClientRect();
    const boxes = [];
    for (const mark of all(text, ".ent")) {
      for (const rect of mark.getClientRects()) {
        if (!rect.width) continue;
        boxes.push({
          mark,
          left: rect.left - origin.left,
          right: rect.right - origin.left,
          top: rect.top - origin.top,
          bottom: rect.bottom - origin.top,
          middle: (rect.top + rect.bottom) / 2 - origin.top,
        });
      }
    }
    const tolerance = parseFloat(getComputedStyle(text).fontSize) * 0.7;
    const lines = [];
    for (const box of [...boxes].sort((a, b) => a.middle - b.middle)) {
      let line = lines[lines.length - 1];
      if (!line || box.middle - line.middle > tolerance) {
        line = { middle: box.middle, top: box.top, bottom: box.bottom, boxes: [] };
        lines.push(line);
      }
      line.boxes.push(box);
      line.top = Math.min(line.top, box.top);
      line.bottom = Math.max(line.bottom, box.bottom);
      box.line = lines.length - 1;
    }
    for (const line of lines) {
      // an entity that starts in this line, because only its first part can be raised
      const starts = line.boxes.filter((box) => boxes.find((b) => b.mark === box.mark) === box);
      line.first = (starts[0] || line.boxes[0]).mark;
      line.baseline = line.middle + tolerance * 0.5;
    }
    for (const link of links) {
      link.ends = link.marks.map((mark) => boxes.find((box) => box.mark === mark));
    }
    return lines;
  }

  // Spread the arcs of an entity over its width, so that they do not cross more than needed.
  function attach(links, rtl) {
    const ends = new Map();
    for (const link of links) {
      link.x = [0, 0];
      link.ends.forEach((box, side) => {
        const other = link.ends[1 - side];
        let distance = (other.left + other.right - box.left - box.right) / 2;
        if (other.line !== box.line) distance = rtl ? -1e6 : 1e6;
        if (box === other) distance = side ? -1 : 1;
        const key = box.mark;
        if (!ends.has(key)) ends.set(key, { box, list: [] });
        ends.get(key).list.push({ link, side, distance });
      });
    }
    for (const { box, list } of ends.values()) {
      // from left to right: short to long arcs that go left, long to short that go right
      list.forEach((end, index) => {
        const right = end.distance > 0;
        const self = end.link.ends[0] === end.link.ends[1];
        end.key = [right ? 1 : 0, self ? 1e9 * end.distance : -end.distance,
          right ? -index : index];
      });
      list.sort((a, b) => a.key[0] - b.key[0] || a.key[1] - b.key[1] || a.key[2] - b.key[2]);
      list.forEach((end, index) => {
        const share = (index + 1) / (list.length + 1);
        end.link.x[end.side] = box.left + share * (box.right - box.left);
      });
    }
  }

  // Each relation has one horizontal segment, or one in the line of each argument.
  function makeSegments(links, lines, inner, rtl) {
    for (const line of lines) line.segments = [];
    for (const link of links) {
      const [a, b] = link.ends;
      if (a.line === b.line) {
        link.segments = [{ link, from: link.x[0], to: link.x[1], label: true }];
        lines[a.line].segments.push(link.segments[0]);
        continue;
      }
      link.segments = link.ends.map((end, side) => {
        const to = rtl ? inner.left : inner.right;
        const segment = { link, from: link.x[side], to, label: false };
        lines[end.line].segments.push(segment);
        return segment;
      });
      const [first, second] = link.segments.map((s) => Math.abs(s.from - s.to));
      link.segments[first >= second ? 0 : 1].label = true;
    }
  }

  // Short arcs are below long ones. Segments and labels of a lane do not overlap.
  function assignLanes(line, width) {
    line.lanes = 0;
    const placed = [];
    const length = (segment) => Math.abs(segment.from - segment.to);
    for (const segment of [...line.segments].sort((a, b) => length(a) - length(b))) {
      segment.left = Math.min(segment.from, segment.to);
      segment.right = Math.max(segment.from, segment.to);
      if (segment.label) {
        const half = segment.link.labelWidth / 2 + 4;
        const middle = (segment.left + segment.right) / 2;
        segment.center = Math.min(Math.max(middle, half), width - half);
        // the label of a short arc is above it instead of on it, and needs its own lane
        segment.above = segment.right - segment.left < 2 * half + 2 * RADIUS;
        segment.outer = [
          Math.min(segment.left, segment.center - half),
          Math.max(segment.right, segment.center + half),
        ];
      } else {
        segment.outer = [segment.left, segment.right];
      }
      const below = placed.filter((other) =>
        segment.outer[0] - 4 < other.outer[1] && other.outer[0] - 4 < segment.outer[1]);
      segment.lane = Math.max(-1, ...below.map((other) => other.highest)) + 1;
      segment.highest = segment.lane + (segment.above ? 1 : 0);
      line.lanes = Math.max(line.lanes, segment.highest + 1);
      placed.push(segment);
    }
    // Move a label away from the vertical parts of higher arcs.
    for (const segment of placed.filter((s) => s.label && !s.above)) {
      const half = segment.link.labelWidth / 2 + 4;
      const crossings = placed.filter((s) => s.lane > segment.lane).map((s) => s.from);
      const free = (center) => crossings.every((x) => Math.abs(x - center) > half);
      const space = segment.right - segment.left - 2 * half - 2 * RADIUS;
      for (const share of [0.5, 0.35, 0.65, 0.2, 0.8, 0, 1]) {
        const center = segment.left + RADIUS + half + share * space;
        if (free(center)) { segment.center = center; break; }
      }
    }
  }

  // Beside the text, short connections are inside long ones.
  function chooseTracks(links, lines, inner, rtl) {
    for (const link of links) {
      link.y = link.ends.map((end, side) => {
        const segment = link.segments[Math.min(side, link.segments.length - 1)];
        return lines[end.line].top - GAP - (segment.lane + 0.5) * LANE;
      });
    }
    const extent = ({ y }) => Math.abs(y[0] - y[1]);
    links.filter((link) => link.segments.length === 2)
      .sort((a, b) => extent(a) - extent(b))
      .forEach((link, index) => {
        const offset = TRACK * (index + 0.6);
        link.track = rtl ? inner.left - offset : inner.right + offset;
      });
  }

  function drawLink(link, rtl) {
    const { y } = link;
    const [start, stop] = link.ends.map((end) => end.top - 1);
    const [from, to] = link.x;
    const corner = (dx, dy, first) => first === "v"
      ? `q 0 ${dy} ${dx} ${dy}` : `q ${dx} 0 ${dx} ${dy}`;
    let path;
    if (link.segments.length === 1) {
      const sign = to >= from ? 1 : -1;
      const radius = Math.min(RADIUS, Math.abs(to - from) / 2);
      path = `M ${from} ${start} V ${y[0] + radius} ${corner(sign * radius, -radius, "v")}`
        + ` H ${to - sign * radius} ${corner(sign * radius, radius, "h")} V ${stop - 5}`;
    } else {
      const out = rtl ? -1 : 1;
      const down = y[1] > y[0] ? 1 : -1;
      const radii = [from, to].map((x) => Math.min(RADIUS, Math.abs(link.track - x) / 2));
      path = `M ${from} ${start} V ${y[0] + radii[0]} ${corner(out * radii[0], -radii[0], "v")}`
        + ` H ${link.track - out * radii[0]} ${corner(out * radii[0], down * radii[0], "h")}`
        + ` V ${y[1] - down * radii[1]} ${corner(-out * radii[1], down * radii[1], "v")}`
        + ` H ${to + out * radii[1]} ${corner(-out * radii[1], radii[1], "h")} V ${stop - 5}`;
    }
    const { group } = link;
    element(group, "path", { d: path, class: "line" });
    if (link.row.dataset.kind === "false") element(group, "path", { d: path, class: "inner" });
    element(group, "path", { d: `M ${to - 4} ${stop - 7} h 8 l -4 7 z`, class: "head" });
    const side = link.segments.findIndex((segment) => segment.label);
    const { center, above } = link.segments[side];
    const middle = y[side] - (above ? LANE * 0.6 : 0);
    const half = link.labelWidth / 2 + 3;
    element(group, "rect", { x: center - half, y: middle - 8, width: 2 * half, height: 16, rx: 3 });
    group.append(link.text);
    link.text.setAttribute("x", center);
    link.text.setAttribute("y", middle + 4);
    // labels are above all lines
    group.parentNode.append(group);
  }

  // Highlight a relation and its arguments, or an entity and all its relations.
  function highlight(figure, target) {
    for (const node of all(figure, ".on")) node.classList.remove("on");
    figure.classList.remove("dim");
    const item = target && target.closest("[data-head], [data-entity], [data-link], .ent");
    if (!item || !figure.contains(item)) return;
    const rows = all(figure, "[data-head]");
    const visible = rows.filter((row) => !row.hidden);
    let chosen = [];
    const marks = new Set();
    if (item.dataset.head !== undefined) chosen = [item];
    else if (item.dataset.link !== undefined) chosen = [visible[item.dataset.link]];
    else {
      const number = item.dataset.mark ?? item.dataset.entity;
      marks.add(number);
      chosen = visible.filter((row) => [row.dataset.head, row.dataset.tail].includes(number));
    }
    for (const row of chosen) {
      row.classList.add("on");
      marks.add(row.dataset.head).add(row.dataset.tail);
      const group = figure.querySelector(`[data-link="${visible.indexOf(row)}"]`);
      if (group) { group.classList.add("on"); figure.classList.add("dim"); }
    }
    for (const mark of all(figure, ".ent")) {
      mark.classList.toggle("on", marks.has(mark.dataset.mark));
    }
  }

  // Show the outcomes of the chosen kinds, label and cause, and their texts.
  function filter(form, figures) {
    const kinds = all(form, "[name=kind]").filter((box) => box.checked).map((box) => box.value);
    const label = form.elements.namedItem("label").value;
    const cause = form.elements.namedItem("cause").value;
    const every = !label && !cause && kinds.length === 3;
    let texts = 0;
    const counts = { hit: 0, missed: 0, false: 0 };
    for (const figure of figures) {
      let matches = 0;
      const used = new Set();  // arguments of visible relations
      const fits = ({ dataset }) => {
        const group = dataset.head === undefined ? "E:" : "R:";
        return kinds.includes(dataset.kind)
          && (!label || group + dataset.label === label)
          && (!cause || group + dataset.cause === cause);
      };
      for (const row of all(figure, "li[data-kind]")) {
        row.hidden = !fits(row);
        if (row.hidden) continue;
        matches += 1;
        if (row.dataset.head === undefined) continue;
        counts[row.dataset.kind] += 1;
        used.add(row.dataset.head).add(row.dataset.tail);
      }
      const counted = new Set();
      for (const mark of all(figure, ".ent[data-kind]")) {
        const off = !fits(mark);
        mark.classList.toggle("off", off && !used.has(mark.dataset.mark));
        if (off || counted.has(mark.dataset.mark)) continue;
        counted.add(mark.dataset.mark);
        matches += 1;
        counts[mark.dataset.kind] += 1;
      }
      for (const list of all(figure, ".triples")) {
        list.hidden = ![...list.children].some((row) => !row.hidden);
      }
      const section = figure.closest("section");
      section.hidden = !matches && !every;
      if (!section.hidden) texts += 1;
    }
    form.querySelector(".count").textContent =
      `${texts} of ${figures.length} texts. Hits: ${counts.hit}, missed: ${counts.missed}, `
      + `false alarms: ${counts.false}`;
  }

  document.documentElement.classList.add("script");
  const figures = all(document, "figure.passage");
  document.documentElement.classList.toggle("many", figures.length > MANY_TEXTS);
  // Figures outside the window are drawn when they come near it.
  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      observer.unobserve(entry.target);
      draw(entry.target);
    }
  }, { rootMargin: "600px" });
  const redraw = () => {
    for (const figure of figures) {
      observer.unobserve(figure);
      observer.observe(figure);
    }
  };
  for (const figure of figures) {
    figure.addEventListener("mouseover", (event) => highlight(figure, event.target));
    figure.addEventListener("mouseleave", () => highlight(figure, null));
    figure.addEventListener("focusin", (event) => highlight(figure, event.target));
    figure.addEventListener("focusout", () => highlight(figure, null));
  }
  let width = document.documentElement.clientWidth;
  addEventListener("resize", () => {
    const now = document.documentElement.clientWidth;
    if (now !== width) { width = now; redraw(); }
  });
  addEventListener("beforeprint", () => figures.forEach(draw));
  document.fonts.ready.then(redraw);

  const form = document.querySelector(".filters");
  if (form) {
    const update = () => { filter(form, figures); redraw(); };
    form.addEventListener("change", update);
    form.addEventListener("submit", (event) => event.preventDefault());
    update();
  }
})();
