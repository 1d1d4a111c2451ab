// Curves by uPlot, matrices and parallel coordinates by hand.

import uPlot from "./vendor/uplot.js";
import { h, number, replace } from "./dom.js";

const COLOURS = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#e377c2"];
const colour = (place) => COLOURS[place % COLOURS.length];
const WHOLE = Array.from({ length: 12 }, (_, power) => [1, 2, 5].map((each) => each * 10 ** power)).flat();
const decades = (_, ticks) => ticks.map((each) => (Number.isInteger(+Math.log10(each).toFixed(9)) ? each : null));
const DECADES = { grid: { stroke: "#8884", filter: decades }, ticks: { stroke: "#8884", filter: decades } };
const ink = () => getComputedStyle(document.body).color;

// Lines over x: `series` is [{label, colour, dashed}]. Returns {element, set(x, columns)}.
export function lines(series, { logarithmic = false, label = "epoch", height = 280 } = {}) {
  const element = h("div", { role: "img", "aria-label": `${series.map((each) => each.label).join(", ")} by ${label}` });
  const axis = { stroke: ink, grid: { stroke: "#8884" }, ticks: { stroke: "#8884" } };
  const options = {
    width: 600, height,
    scales: { x: { time: false }, y: logarithmic ? { distr: 3 } : {} },
    axes: [{ ...axis, label, incrs: WHOLE }, { ...axis, ...(logarithmic ? DECADES : {}), size: 70, values: (_, ticks) => ticks.map((each) => each == null ? "" : number(each)) }],
    series: [{ label }, ...series.map((each, place) => ({
      label: each.label, stroke: colour(each.colour ?? place), width: 1.5, dash: each.dashed ? [6, 4] : undefined, spanGaps: true, points: { show: false },
      value: (_, value) => number(value),
    }))],
  };
  const plot = new uPlot(options, [[], ...series.map(() => [])], element);
  new ResizeObserver(() => element.clientWidth && plot.setSize({ width: element.clientWidth, height })).observe(element);
  const positive = (column) => logarithmic ? column.map((each) => (each > 0 ? each : null)) : column;
  return { element, set: (x, columns) => plot.setData([x, ...columns.map(positive)]) };
}

// An exponential mean of a column; gaps stay.
export function smoothed(column, weight) {
  let mean = null;
  return column.map((value) => {
    if (value == null) return null;
    mean = mean == null ? value : weight * mean + (1 - weight) * value;
    return mean;
  });
}

// One column of several jobs' curves over all of their epochs.
export function joined(curves, column) {
  const places = [...new Set(curves.flatMap((curve) => curve.epoch))].sort((one, other) => one - other);
  const columns = curves.map((curve) => {
    const values = new Map(curve.epoch.map((epoch, place) => [epoch, curve[column][place]]));
    return places.map((epoch) => values.get(epoch) ?? null);
  });
  return [places, columns];
}

// A matrix: blue below zero, red above.
export function heatMap(found) {
  const rows = found.values.length, columns = rows ? found.values[0].length : 0;
  const canvas = h("canvas", { class: "map", width: Math.max(columns, 1), height: Math.max(rows, 1), role: "img",
    "aria-label": `${found.name}, ${found.dim.join(" × ")}, up to ${number(found.largest)}` });
  const context = canvas.getContext("2d"), image = context.createImageData(Math.max(columns, 1), Math.max(rows, 1));
  found.values.flat().forEach((value, place) => {
    const part = value == null ? 0 : Math.max(-1, Math.min(1, value / (found.largest || 1)));
    const fade = Math.round(255 * (1 - Math.abs(part)));
    image.data.set(part < 0 ? [fade, fade, 255, 255] : [255, fade, fade, 255], 4 * place);
  });
  context.putImageData(image, 0, 0);
  canvas.style.aspectRatio = `${Math.max(columns, 1)} / ${Math.max(Math.min(rows, columns), columns / 8, 1)}`;
  const least = found.values.flat().some((value) => value < 0) ? `blue −${number(found.largest)}` : "white 0";
  return h("figure", {}, canvas, h("figcaption", { class: "soft" },
    `${found.name}: ${found.dim.join(" × ")}${found.thinned ? ", means of blocks" : ""}; from ${least} to red ${number(found.largest)}`));
}

const MOST_UNITS = 8;

// Matrices of units × time steps: as pictures, or as a line for each of the first units.
export function overTime(maps) {
  const place = h("div", { class: "columns maps" });
  const unit = (found) => {
    const rows = found.values.slice(0, MOST_UNITS);
    const together = found.dim[0] / found.values.length, last = (row) => Math.floor((row + 1) * together);
    const name = (row) => together > 1 ? `units ${Math.floor(row * together) + 1}–${last(row)}` : `unit ${row + 1}`;
    const plot = lines(rows.map((_, row) => ({ label: name(row) })), { label: `time step, ${found.name}`, height: 200 });
    const steps = found.values[0].length, stride = found.dim[1] / steps;
    plot.set(found.values[0].map((_, step) => 1 + Math.floor(step * stride)), rows);
    return plot.element;
  };
  const draw = (asLines) => replace(place, maps.map(asLines ? unit : heatMap));
  draw(false);
  const id = `lines-${++drawn}`;
  return h("div", {}, h("p", { class: "bar" }, h("input", { type: "checkbox", id, onchange: (event) => draw(event.target.checked) }),
    h("label", { for: id }, `as lines, the first ${MOST_UNITS} units`)), place);
}
let drawn = 0;

// One line a job across one axis an option; the best is last and thick.
export function parallel(axes, jobs, best) {
  const width = Math.max(360, 150 * axes.length), height = 260, top = 30, bottom = height - 30;
  const svg = (tag, attributes, ...children) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
    element.append(...children);
    return element;
  };
  const places = axes.map((axis, place) => {
    const values = jobs.map((job) => axis.of(job)), numbers = values.filter((value) => typeof value === "number");
    const kinds = [...new Set(values.map(String))].sort((one, other) => one.localeCompare(other, [], { numeric: true }));
    const least = Math.min(...numbers), range = Math.max(...numbers) - least || 1;
    const part = (value) => numbers.length === values.length
      ? (value - least) / range : kinds.indexOf(String(value)) / Math.max(kinds.length - 1, 1);
    const ends = numbers.length === values.length ? [number(least), number(least + range)] : [kinds[0], kinds.at(-1)];
    return { ...axis, x: 60 + (place * (width - 120)) / Math.max(axes.length - 1, 1), y: (job) => bottom - part(axis.of(job)) * (bottom - top), ends };
  });
  const ordered = [...jobs].sort((one, other) => (one === best) - (other === best));
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": `options of ${jobs.length} jobs; best ${best ? best.id : "unknown"}` },
    ...places.flatMap((axis) => [
      svg("line", { class: "axis", x1: axis.x, x2: axis.x, y1: top, y2: bottom }),
      svg("text", { x: axis.x, y: 12, "text-anchor": "middle" }, axis.name),
      svg("text", { x: axis.x, y: bottom + 14, "text-anchor": "middle" }, axis.ends[0]),
      svg("text", { x: axis.x, y: top - 4, "text-anchor": "middle" }, axis.ends[1]),
    ]),
    ...ordered.map((job) => svg("polyline", { class: job === best ? "job best" : "job", points: places.map((axis) => `${axis.x},${axis.y(job)}`).join(" ") },
      svg("title", {}, job.id))));
}
