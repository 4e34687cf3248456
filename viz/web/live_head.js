// A head that morphs on the client: only 52 weights and a rotation travel, not vertices. Its GPU
// does so; where there is none, and a program draws in its place, this page does, since that
// program takes longer for the same, and edges are not smoothed, which takes it twice as long.
import { OrbitControls, THREE } from "nicegui-scene";

const OLD_MS = 2000;
const INKS = { heard: 0x0072b2, low: 0xe69f00, silent: 0xd55e00, unknown: 0x9aa3ad };
const LOW = 0.2, FULL = 0x2b3440;

const PROGRAMS = /llvmpipe|softpipe|swiftshader|software|basic render/i;

function drawnByProgram() {
  const gl = document.createElement("canvas").getContext("webgl2");
  const told = gl?.getExtension("WEBGL_debug_renderer_info");
  const name = told ? gl.getParameter(told.UNMASKED_RENDERER_WEBGL) : "";
  gl?.getExtension("WEBGL_lose_context")?.loseContext();
  return PROGRAMS.test(name);
}

function parse(buffer) {
  let at = 0;
  const take = (Type, count) => {
    const found = new Type(buffer, at, count);
    at += Math.ceil(found.byteLength / 4) * 4;
    return found;
  };
  const [vertices, triangles, shapes, sites, letters] = take(Uint32Array, 5);
  const head = {
    positions: take(Float32Array, 3 * vertices),
    colours: take(Uint8Array, 3 * vertices),
    triangles: take(Uint32Array, 3 * triangles),
  };
  const scales = take(Float32Array, shapes);
  const deltas = take(Int16Array, shapes * 3 * vertices);
  head.shapes = Array.from({ length: shapes }, (_, k) =>
    Float32Array.from(deltas.subarray(3 * vertices * k, 3 * vertices * (k + 1)), (d) => d * scales[k]),
  );
  head.sites = take(Uint32Array, sites);
  head.names = new TextDecoder().decode(take(Uint8Array, letters)).split("\n");
  return head;
}

export default {
  template: `<div style="position:relative;width:100%;height:100%">
    <canvas style="width:100%;height:100%;display:block"></canvas>
    <span style="position:absolute;left:14px;bottom:10px;font-size:13px;color:#707882"></span></div>`,
  props: { head_url: String, faces_url: String, slots: Object, charges: Object },
  async mounted() {
    this.canvas = this.$el.querySelector("canvas");
    this.ages = [];
    this.toldMs = 0;
    this.measures = new URLSearchParams(location.search).has("measure");
    this.byProgram = drawnByProgram();
    this.renderer = new THREE.WebGLRenderer({ canvas: this.canvas, antialias: !this.byProgram, alpha: true });
    this.camera = new THREE.PerspectiveCamera(18, 1, 0.05, 10);
    this.scene = new THREE.Scene();
    this.scene.add(new THREE.HemisphereLight(0xf2f6ff, 0x8a7f74, 1.6));
    const key = new THREE.DirectionalLight(0xfff2e6, 2.2);
    key.position.set(-0.5, 0.62, 0.8);
    this.scene.add(key);
    const response = await fetch(this.head_url);
    this.build(parse(await response.arrayBuffer()));
    this.controls = new OrbitControls(this.camera, this.canvas);
    this.controls.target.copy(this.middle);
    this.controls.enablePan = false;
    this.controls.addEventListener("change", () => { this.isStale = true; });
    this.controls.update();
    this.resize = new ResizeObserver(() => this.fit());
    this.resize.observe(this.$el);
    this.fit();
    this.listen();
    this.renderer.setAnimationLoop(() => this.draw());
  },
  beforeUnmount() {
    this.gone = true;
    this.socket?.close();
    this.resize?.disconnect();
    this.renderer?.setAnimationLoop(null);
    this.renderer?.dispose();
  },
  methods: {
    build(head) {
      const shape = new THREE.BufferGeometry();
      shape.setAttribute("position", new THREE.BufferAttribute(head.positions, 3));
      shape.setAttribute("color", new THREE.BufferAttribute(head.colours, 3, true));
      shape.setIndex(new THREE.BufferAttribute(head.triangles, 1));
      shape.computeVertexNormals();
      shape.morphTargetsRelative = true;
      shape.morphAttributes.position = head.shapes.map((d) => new THREE.BufferAttribute(d, 3));
      shape.computeBoundingBox();  // of all that shapes can do
      if (this.byProgram) {
        this.rest = head.positions.slice();
        shape.getAttribute("position").setUsage(THREE.DynamicDrawUsage);
        shape.morphAttributes = {};
      }
      const skin = new THREE.MeshStandardMaterial({ vertexColors: true, roughness: 0.75 });
      // Vertex colours are sRGB, and three.js takes them as linear.
      skin.onBeforeCompile = (shader) => {
        shader.vertexShader = shader.vertexShader.replace(
          "#include <color_vertex>", "#include <color_vertex>\nvColor.rgb = pow(vColor.rgb, vec3(2.2));");
      };
      this.mesh = new THREE.Mesh(shape, skin);
      this.turn = new THREE.Group();
      this.turn.add(this.mesh);
      this.scene.add(this.turn);
      this.middle = shape.boundingBox.getCenter(new THREE.Vector3());
      this.middle.y -= 0.012;
      this.camera.position.set(this.middle.x, this.middle.y, this.middle.z + 1.12);
      this.data = head;
      this.dots = head.names.map(() => {
        const dot = new THREE.Mesh(
          new THREE.SphereGeometry(0.0032, 16, 12), new THREE.MeshBasicMaterial({ color: INKS.unknown }));
        this.turn.add(dot);
        return dot;
      });
      this.gauges = this.dots.map(() => {
        const gauge = new THREE.Group();
        gauge.visible = false;
        this.turn.add(gauge);
        return gauge;
      });
      this.place();
      this.paint();
    },
    paint() {
      if (!this.dots) return;
      this.data.names.forEach((name, k) => {
        this.dots[k].material.color.setHex(INKS[(this.slots ?? {})[name]] ?? INKS.unknown);
      });
      this.data.names.forEach((name, k) => this.gauge(this.gauges[k], (this.charges ?? {})[name], name));
      this.canvas.dataset.charges = JSON.stringify(this.charges ?? {});
      this.isStale = true;
    },
    gauge(gauge, charge, name) {
      // A ring around the dot, full where its battery is; the rest of it is faint.
      gauge.visible = charge !== undefined;
      if (!gauge.visible || gauge.charge === charge + name) return;
      gauge.charge = charge + name;
      gauge.children.forEach((ring) => { ring.geometry.dispose(); ring.material.dispose(); });
      gauge.clear();
      const ink = charge < LOW ? INKS.low : FULL, turn = 2 * Math.PI;
      for (const [share, opacity] of [[1, 0.3], [charge, 1]]) {
        const ring = new THREE.Mesh(
          new THREE.RingGeometry(0.0044, 0.0074, 32, 1, turn * (0.25 - share), turn * share),
          new THREE.MeshBasicMaterial({ color: ink, transparent: true, opacity, side: THREE.DoubleSide }));
        ring.position.z = opacity * 1e-4;
        gauge.add(ring);
      }
    },
    face_gauges() {
      // Towards the eye, and a little before the skin.
      const around = this.turn.quaternion.clone().invert().multiply(this.camera.quaternion);
      const ahead = new THREE.Vector3(0, 0, 0.008).applyQuaternion(around);
      this.gauges?.forEach((gauge, k) => {
        gauge.quaternion.copy(around);
        gauge.position.copy(this.dots[k].position).add(ahead);
      });
    },
    listen() {
      const place = new URL(this.faces_url, location.href);
      place.protocol = place.protocol.replace("http", "ws");
      this.socket = new WebSocket(place);
      this.socket.binaryType = "arraybuffer";
      this.socket.onmessage = (event) => {
        this.face = new Float32Array(event.data, 0, 56);
        this.sentMs = new DataView(event.data).getFloat64(4 * 56, true);
        this.isNew = true;
      };
      this.socket.onclose = () => { if (!this.gone) setTimeout(() => this.listen(), 1000); };
    },
    fit() {
      const wide = Math.max(this.$el.clientWidth, 1), high = Math.max(this.$el.clientHeight, 1);
      this.renderer.setPixelRatio(this.byProgram ? 1 : Math.min(window.devicePixelRatio, 2));
      this.renderer.setSize(wide, high, false);
      this.camera.aspect = wide / high;
      this.camera.updateProjectionMatrix();
      this.isStale = true;
    },
    draw() {
      if (this.face) {
        const face = this.face;
        this.face = undefined;
        this.morph(face);
        this.turn.quaternion.set(face[53], face[54], face[55], face[52]);
        this.place(face);
        // What tests and measurements read: how many faces were drawn, and when the last was sent.
        this.canvas.dataset.drawn = Number(this.canvas.dataset.drawn ?? 0) + 1;
        this.canvas.dataset.by = this.byProgram ? "program" : "gpu";
        this.canvas.dataset.jaw = face[17].toFixed(3);
        this.isStale = true;
      }
      this.forget();
      if (!this.isStale) return;
      this.isStale = false;
      this.face_gauges();
      this.renderer.render(this.scene, this.camera);
      if (this.isNew) this.tell();
    },
    morph(face) {
      if (!this.byProgram) {
        for (let k = 0; k < 52; k++) this.mesh.morphTargetInfluences[k] = face[k];
        return;
      }
      const place = this.mesh.geometry.getAttribute("position"), to = place.array;
      to.set(this.rest);
      this.data.shapes.forEach((shape, k) => {
        const weight = face[k];
        if (weight < 1e-4) return;
        for (let i = 0; i < to.length; i++) to[i] += weight * shape[i];
      });
      place.needsUpdate = true;
    },
    tell() {
      // How fast faces come and how old one is when it has been drawn; of this computer's clock.
      this.isNew = false;
      if (this.measures) this.renderer.getContext().finish();
      const now = performance.timeOrigin + performance.now();
      if (!this.toldMs) this.toldMs = now;
      this.ages.push(now - this.sentMs);
      if (this.measures) (window.imusicAges ??= []).push(now - this.sentMs);
      if (now - this.toldMs < 500) return;
      const ages = this.ages.sort((a, b) => a - b), middle = ages[ages.length >> 1];
      const hertz = Math.round((1000 * ages.length) / (now - this.toldMs));
      const isHere = middle > -50 && middle < 10000;  // else the clocks of two devices
      this.$el.querySelector("span").textContent = `${hertz} Hz${isHere ? ` · ${Math.round(middle)} ms` : ""}`;
      this.ages = [];
      this.toldMs = now;
    },
    forget() {
      // What was measured of faces that came long ago is not true any more.
      const now = performance.timeOrigin + performance.now();
      if (this.toldMs && now - this.toldMs > OLD_MS) {
        this.$el.querySelector("span").textContent = "";
        this.ages = [];
        this.toldMs = 0;
      }
    },
    place(face) {
      const { shapes, sites } = this.data, positions = this.rest ?? this.data.positions;
      sites.forEach((vertex, k) => {
        const at = [0, 1, 2].map((axis) => {
          let value = positions[3 * vertex + axis];
          for (let s = 0; s < 52; s++) value += (face ? face[s] : 0) * shapes[s][3 * vertex + axis];
          return value;
        });
        this.dots[k].position.set(...at);
      });
    },
  },
  watch: { slots() { this.paint(); }, charges() { this.paint(); } },
};
