// The last ten seconds of every slot. Memory is bounded: one ring per page, written over.
const HZ = 20, SECONDS = 10, KEPT = HZ * SECONDS, SILENT_MS = 500;
const INK = "#0072b2", FAINT = "#e3e7eb", WORDS = "#707882", SILENT = "#d55e00";
const FULL = 3.0; // rad/s at the top of a row: a quick nod; the axis is a square root

export default {
  template: `<canvas style="width:100%;height:100%;display:block"></canvas>`,
  props: { traces_url: String, slots: Array },
  mounted() {
    this.canvas = this.$el;
    this.rows = this.slots.length;
    this.ring = new Float32Array(KEPT * this.rows).fill(NaN);
    this.at = 0;
    this.heard = 0;
    this.resize = new ResizeObserver(() => { this.isStale = true; });
    this.resize.observe(this.$el);
    this.listen();
    this.clock = setInterval(() => this.rest(), 1000 / HZ);
    const step = () => {
      if (this.gone) return;
      if (this.isStale) this.draw();
      requestAnimationFrame(step);
    };
    step();
  },
  beforeUnmount() {
    this.gone = true;
    clearInterval(this.clock);
    this.socket?.close();
    this.resize?.disconnect();
  },
  methods: {
    listen() {
      const place = new URL(this.traces_url, location.href);
      place.protocol = place.protocol.replace("http", "ws");
      this.socket = new WebSocket(place);
      this.socket.binaryType = "arraybuffer";
      this.socket.onmessage = (event) => {
        this.push(new Float32Array(event.data).subarray(0, this.rows));
        this.heard += 1;
        this.heardMs = performance.now();
      };
      this.socket.onclose = () => { if (!this.gone) setTimeout(() => this.listen(), 1000); };
    },
    push(rates) {
      this.ring.set(rates, this.at * this.rows);
      this.at = (this.at + 1) % KEPT;
      this.isStale = true;
    },
    rest() {
      // Nothing is told while no device is there: time goes on all the same, as a gap.
      if (this.heard && performance.now() - this.heardMs > SILENT_MS) {
        this.push(new Float32Array(this.rows).fill(NaN));
      }
    },
    draw() {
      this.isStale = false;
      let silences = 0;
      const sharp = Math.min(window.devicePixelRatio, 2);
      const wide = this.$el.clientWidth, high = this.$el.clientHeight;
      if (!wide || !high) return;
      this.canvas.width = wide * sharp;
      this.canvas.height = high * sharp;
      const pen = this.canvas.getContext("2d");
      pen.scale(sharp, sharp);
      const left = 128, right = 12, row = high / this.rows;
      const step = (wide - left - right) / (KEPT - 1);
      pen.font = "11px Rubik, Inter, Arial, sans-serif";
      pen.textBaseline = "middle";
      pen.textAlign = "right";
      for (let slot = 0; slot < this.rows; slot++) {
        const floor = (slot + 0.86) * row, reach = 0.76 * row;
        const newest = this.ring[((this.at + KEPT - 1) % KEPT) * this.rows + slot];
        const silent = this.heard > 0 && Number.isNaN(newest);
        silences += silent;
        pen.fillStyle = silent ? SILENT : WORDS;
        pen.fillText(this.slots[slot].replaceAll("_", " "), left - 10, (slot + 0.5) * row);
        pen.strokeStyle = FAINT;
        pen.lineWidth = 1;
        pen.beginPath();
        pen.moveTo(left, floor);
        pen.lineTo(wide - right, floor);
        pen.stroke();
        pen.strokeStyle = INK;
        pen.lineWidth = 1.4;
        pen.beginPath();
        let is_down = false;
        for (let k = 0; k < KEPT; k++) {
          const rate = this.ring[((this.at + k) % KEPT) * this.rows + slot];
          if (Number.isNaN(rate)) { is_down = false; continue; }
          const x = left + k * step, y = floor - reach * Math.min(1, Math.sqrt(rate / FULL));
          if (is_down) pen.lineTo(x, y); else pen.moveTo(x, y);
          is_down = true;
        }
        pen.stroke();
      }
      // What tests read: how much was heard, and how much is kept.
      this.canvas.dataset.heard = this.heard;
      this.canvas.dataset.kept = this.ring.length;
      this.canvas.dataset.silent = silences;
    },
  },
};
