/** What part of the Gantt chart is seen: a window of time and of nodes. Moves keep it within what there is. */

export interface Bounds {
  readonly from: number;
  readonly to: number;
  readonly rows: number;
}

export class View {
  readonly gutter = 96;
  readonly head = 26;
  width = 600;
  height = 400;
  from = 0;
  to = 1;
  /** Uppermost row, perhaps in part, and pixels of a row. */
  row = 0;
  rowHeight = 20;
  readonly bounds: Bounds;

  constructor(bounds: Bounds) {
    this.bounds = bounds;
    this.all();
  }

  get plotWidth(): number {
    return Math.max(1, this.width - this.gutter);
  }

  get plotHeight(): number {
    return Math.max(1, this.height - this.head);
  }

  /** All of the time, and as many nodes as can be told apart. */
  all(): void {
    this.from = this.bounds.from;
    this.to = this.bounds.to;
    this.row = 0;
    this.rowHeight = Math.min(48, Math.max(14, this.plotHeight / this.bounds.rows));
    this.keepWithin();
  }

  allNodes(): void {
    this.row = 0;
    this.rowHeight = this.plotHeight / this.bounds.rows;
    this.keepWithin();
  }

  x(time: number): number {
    return this.gutter + ((time - this.from) / (this.to - this.from)) * this.plotWidth;
  }

  time(x: number): number {
    return this.from + ((x - this.gutter) / this.plotWidth) * (this.to - this.from);
  }

  y(row: number): number {
    return this.head + (row - this.row) * this.rowHeight;
  }

  rowAt(y: number): number {
    return this.row + (y - this.head) / this.rowHeight;
  }

  /** The time at `x` stays where it is. */
  zoomTime(factor: number, x = this.gutter + this.plotWidth / 2): void {
    const still = this.time(x);
    const whole = this.bounds.to - this.bounds.from;
    const span = Math.min(whole, Math.max(whole * 1e-6, 1e-3, (this.to - this.from) * factor));
    const share = (still - this.from) / (this.to - this.from);
    this.from = still - share * span;
    this.to = this.from + span;
    this.keepWithin();
  }

  zoomRows(factor: number, y = this.head + this.plotHeight / 2): void {
    const still = this.rowAt(y);
    const least = Math.min(14, this.plotHeight / this.bounds.rows);
    this.rowHeight = Math.min(160, Math.max(least, this.rowHeight * factor));
    this.row = still - (y - this.head) / this.rowHeight;
    this.keepWithin();
  }

  /** By shares of what is seen. */
  pan(time: number, rows: number): void {
    this.panPixels(time * this.plotWidth, rows * this.plotHeight);
  }

  panPixels(x: number, y: number): void {
    const by = (x / this.plotWidth) * (this.to - this.from);
    this.from += by;
    this.to += by;
    this.row += y / this.rowHeight;
    this.keepWithin();
  }

  show(from: number, to: number, row: number): void {
    const margin = Math.max(1, (to - from) * 0.3);
    this.from = from - margin;
    this.to = to + margin;
    this.rowHeight = Math.max(14, this.rowHeight);
    this.row = row - this.plotHeight / this.rowHeight / 2;
    this.keepWithin();
  }

  keepWithin(): void {
    const { from, to, rows } = this.bounds;
    const span = Math.min(to - from, this.to - this.from);
    this.from = Math.min(Math.max(from, this.from), to - span);
    this.to = this.from + span;
    const seen = this.plotHeight / this.rowHeight;
    this.row = Math.max(0, Math.min(this.row, rows - seen));
  }
}
