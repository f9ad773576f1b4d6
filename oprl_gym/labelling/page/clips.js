// Draws clips: a way through a maze, or pictures. Says in words what a maze clip shows.

const LIGHT = {
  floor: "#faf9f6",
  grid: "#e8e6e0",
  wall: "#333c4e",
  start: "#707686",
  goal: "#16916a",
  ring: "#ffffff",
  halo: "#ffffff", // round the agent and its trail
  agent: [79, 70, 229],
  faded: [190, 186, 244],
};
const DARK = {
  floor: "#10141c",
  grid: "#222936",
  wall: "#5d6a82",
  start: "#98a2b5",
  goal: "#27a67d",
  ring: "#10141c",
  halo: "#10141c",
  agent: [149, 158, 255],
  faded: [74, 77, 138],
};
export const dark = matchMedia("(prefers-color-scheme: dark)");
let colors = LIGHT; // of the picture being drawn
const TRAIL = 60; // moves until a piece of the trail has faded as far as it does

export function makeClip(values) {
  return values.kind === "maze" ? new MazeClip(values) : new FrameClip(values);
}

class MazeClip {
  constructor({ steps, rows, cells }) {
    Object.assign(this, { steps, rows, cells });
    this.aspect = rows[0].length / rows.length;
  }

  async ready() {}

  draw(canvas, step) {
    colors = dark.matches ? DARK : LIGHT;
    const at = Math.min(step, this.steps);
    const size = fit(canvas, this.aspect) / this.rows[0].length;
    const context = canvas.getContext("2d");
    this.drawMaze(context, size, canvas);
    this.drawTrail(context, size, at);
    this.drawAgent(context, size, this.cells[at]);
  }

  drawMaze(context, size, canvas) {
    context.fillStyle = colors.floor;
    context.fillRect(0, 0, canvas.width, canvas.height);
    this.drawGrid(context, size, canvas);
    this.rows.forEach((line, row) => [...line].forEach((char, col) => {
      if (char === "#") this.drawWall(context, size, row, col);
      if (char === "S") ring(context, size, row, col, 0.28, colors.start, 0.06);
      if (char === "G") drawGoal(context, size, row, col);
    }));
  }

  drawGrid(context, size, canvas) {
    context.strokeStyle = colors.grid;
    context.lineWidth = Math.max(1, size / 40);
    context.beginPath();
    for (let row = 0; row <= this.rows.length; row++) {
      context.moveTo(0, row * size);
      context.lineTo(canvas.width, row * size);
    }
    for (let col = 0; col <= this.rows[0].length; col++) {
      context.moveTo(col * size, 0);
      context.lineTo(col * size, canvas.height);
    }
    context.stroke();
  }

  drawWall(context, size, row, col) {
    const wall = (r, c) => this.rows[r] !== undefined && this.rows[r][c] === "#";
    const inset = Math.round(0.06 * size);
    const [left, top] = [Math.round(col * size) + inset, Math.round(row * size) + inset];
    const [right, bottom] =
      [Math.round((col + 1) * size) - inset, Math.round((row + 1) * size) - inset];
    context.fillStyle = colors.wall;
    context.beginPath();
    context.roundRect(left, top, right - left, bottom - top, 0.2 * size);
    context.fill();
    // Neighbours grow together.
    if (wall(row + 1, col)) context.fillRect(left, bottom - size / 2, right - left, size);
    if (wall(row, col + 1)) context.fillRect(right - size / 2, top, size, bottom - top);
  }

  drawTrail(context, size, at) {
    context.lineCap = context.lineJoin = "round";
    const piece = (step, width, color) => {
      const [[row, col], [nextRow, nextCol]] = [this.cells[step], this.cells[step + 1]];
      context.strokeStyle = color;
      context.lineWidth = width * size;
      context.beginPath();
      context.moveTo((col + 0.5) * size, (row + 0.5) * size);
      context.lineTo((nextCol + 0.5) * size, (nextRow + 0.5) * size);
      context.stroke();
    };
    for (let step = 0; step < at; step++) piece(step, 0.2, colors.halo);
    for (let step = 0; step < at; step++) {
      const fresh = Math.max(0, 1 - (at - 1 - step) / TRAIL);
      piece(step, 0.12, blend(colors.faded, colors.agent, fresh));
    }
  }

  drawAgent(context, size, [row, col]) {
    disc(context, size, row, col, 0.33, colors.halo);
    disc(context, size, row, col, 0.28, `rgb(${colors.agent})`);
  }

  words() {
    const place = ([row, col]) => `row ${row + 1}, column ${col + 1}`;
    const goalRow = this.rows.findIndex((line) => line.includes("G"));
    const goal = [goalRow, this.rows[goalRow].indexOf("G")];
    const reached = this.cells.findIndex(([r, c]) => r === goal[0] && c === goal[1]);
    return `${this.steps} steps in a maze of ${this.rows.length} rows and ` +
      `${this.rows[0].length} columns. From ${place(this.cells[0])} to ` +
      `${place(this.cells[this.steps])}. The goal at ${place(goal)} is ` +
      `${reached < 0 ? "not reached" : `reached at step ${reached}`}. ` +
      `Moves: ${moves(this.cells)}. Map, row by row, # is a wall: ${this.rows.join(" / ")}`;
  }
}

class FrameClip {
  constructor({ steps, at, images }) {
    Object.assign(this, { steps, at });
    this.images = images.map((data) => {
      const image = new Image();
      image.src = `data:image/jpeg;base64,${data}`;
      return image;
    });
  }

  async ready() {
    await Promise.all(this.images.map((image) => image.decode().catch(() => {})));
  }

  draw(canvas, step) {
    let frame = 0;
    while (frame + 1 < this.at.length && this.at[frame + 1] <= step) frame++;
    const image = this.images[frame];
    if (!image.naturalWidth) return; // damaged
    fit(canvas, image.naturalWidth / image.naturalHeight);
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  }

  words() {
    return `${this.steps} steps, shown in pictures.`;
  }
}

// Makes a canvas as large as it may be and as sharp as the screen; returns its width.
function fit(canvas, aspect) {
  canvas.parentElement.style.setProperty("--aspect", aspect);
  const width = Math.round(canvas.clientWidth * (window.devicePixelRatio || 1));
  const height = Math.round(width / aspect);
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  return width;
}

function drawGoal(context, size, row, col) {
  context.fillStyle = colors.goal;
  box(context, size, row + 0.1, col + 0.1, 0.8, 0.8, 0.2);
  ring(context, size, row, col, 0.22, colors.ring, 0.07);
  disc(context, size, row, col, 0.07, colors.ring);
}

function box(context, size, row, col, height, width, radius) {
  context.beginPath();
  context.roundRect(col * size, row * size, width * size, height * size, radius * size);
  context.fill();
}

function disc(context, size, row, col, radius, color) {
  context.fillStyle = color;
  context.beginPath();
  context.arc((col + 0.5) * size, (row + 0.5) * size, radius * size, 0, 2 * Math.PI);
  context.fill();
}

function ring(context, size, row, col, radius, color, width) {
  context.strokeStyle = color;
  context.lineWidth = width * size;
  context.beginPath();
  context.arc((col + 0.5) * size, (row + 0.5) * size, radius * size, 0, 2 * Math.PI);
  context.stroke();
}

function blend(from, to, share) {
  return `rgb(${from.map((value, i) => Math.round(value + (to[i] - value) * share))})`;
}

function moves(cells) {
  const words = [];
  for (let step = 0; step + 1 < cells.length; step++) {
    const row = cells[step + 1][0] - cells[step][0];
    const col = cells[step + 1][1] - cells[step][1];
    const name = row < 0 ? "up" : row > 0 ? "down" : col < 0 ? "left" : col > 0 ? "right" : "stay";
    const last = words[words.length - 1];
    if (last && last[0] === name) last[1]++;
    else words.push([name, 1]);
  }
  return words.map(([name, times]) => `${name} ${times}`).join(", ");
}
